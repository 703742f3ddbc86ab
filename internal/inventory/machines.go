package inventory

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"bootes.dev/internal/store"
)

// AddMachine adds m under its name, with a new identity, and returns it as
// stored. Mode is persistent unless it says otherwise.
func (in *Inventory) AddMachine(ctx context.Context, m Machine) (Machine, error) {
	if err := m.normalise(); err != nil {
		return m, err
	}
	var err error
	if m.Identity, err = NewIdentity(m.Name); err != nil {
		return m, err
	}
	m.Created = in.now().UTC()
	return m, in.s.Update(ctx, func(tx *store.Tx) error {
		_, err := in.machines.In(tx).Get(m.Name)
		if err == nil {
			return &ExistsError{Kind: "machine", Name: m.Name, Remedy: "change it with `bootes machine set " + m.Name + "`, or choose another name"}
		}
		if !errors.Is(err, store.ErrNotFound) {
			return err
		}
		if err := in.notAVolume(tx, m.Name); err != nil {
			return err
		}
		m.Disks = nil
		if err := in.admit(tx, &m); err != nil {
			return err
		}
		return in.putMachine(tx, Machine{}, m)
	})
}

// SetMachine lets change alter a machine; name, identity, time of creation,
// update mode and attachments stay. change may be called more than once. The machine's disk is
// the one of its new image, unless what it has was made of the same image under
// another name.
func (in *Inventory) SetMachine(ctx context.Context, name string, change func(*Machine) error) (Machine, error) {
	var m Machine
	err := in.s.Update(ctx, func(tx *store.Tx) error {
		old, err := lookup(in.machines.In(tx), "machine", name, true)
		if err != nil {
			return err
		}
		m = old
		m.MACs = slices.Clone(old.MACs)
		if err := change(&m); err != nil {
			return err
		}
		m.Name, m.Identity, m.Created, m.Update, m.Disks = old.Name, old.Identity, old.Created, old.Update, old.Disks
		if err := m.normalise(); err != nil {
			return err
		}
		return in.putMachine(tx, old, m)
	})
	return m, err
}

// RemoveMachine removes a machine that has no volumes, and its boots. What is
// attached to it stays. Its leases run out by themselves.
func (in *Inventory) RemoveMachine(ctx context.Context, name string) error {
	return in.s.Update(ctx, func(tx *store.Tx) error {
		m, err := lookup(in.machines.In(tx), "machine", name, true)
		if err != nil {
			return err
		}
		b, err := in.book(tx, name)
		if err != nil {
			return err
		}
		if len(b.Volumes) > 0 {
			return &InUseError{Kind: "machine", Name: name, By: prefixed("volume ", b.Volumes), Remedy: "remove what it has first with `bootes volume rm " + strings.Join(b.Volumes, " ") + "`"}
		}
		// Next stays, so that a boot of this machine never has the name, and
		// in logs the meaning, of one of a later machine of that name.
		if err := in.books.In(tx).Put(name, book{Next: b.Next}); err != nil {
			return err
		}
		for _, mac := range m.MACs {
			in.macs.In(tx).Delete(mac)
		}
		if m.Address.IsValid() {
			in.reserved.In(tx).Delete(addrKey(m.Address))
		}
		in.statics.In(tx).Delete(name)
		in.machines.In(tx).Delete(name)
		return in.claimIdentities(tx, m, Machine{})
	})
}

// Machine is one machine by name.
func (in *Inventory) Machine(ctx context.Context, name string) (Machine, error) {
	return find(ctx, in.machines, "machine", name, true)
}

// Machines are all machines in the order of their names.
func (in *Inventory) Machines(ctx context.Context) ([]Machine, error) {
	return values(in.machines.List(ctx))
}

// CountMachines is how many machines there are.
func (in *Inventory) CountMachines(ctx context.Context) (int, error) {
	return in.machines.Count(ctx)
}

// MachineByMAC is the machine that has this network card; *NotFoundError when
// nobody added it.
func (in *Inventory) MachineByMAC(ctx context.Context, mac string) (Machine, error) {
	mac, err := CanonicalMAC(mac)
	if err != nil {
		return Machine{}, err
	}
	name, err := in.nameOf(ctx, mac)
	switch {
	case err != nil:
		return Machine{}, err
	case name == "":
		return Machine{}, &NotFoundError{Kind: "machine with MAC address", Name: mac}
	}
	return find(ctx, in.machines, "machine", name, false)
}

// Knows reports whether somebody has added a machine with this network card.
func (in *Inventory) Knows(ctx context.Context, mac net.HardwareAddr) bool {
	name, err := in.nameOf(ctx, mac.String())
	return err == nil && name != ""
}

// nameOf is the machine that has a network card; "" if nobody added one.
func (in *Inventory) nameOf(ctx context.Context, mac string) (string, error) {
	in.desk.mu.Lock()
	defer in.desk.mu.Unlock()
	c, err := in.take(ctx)
	if err != nil {
		return "", err
	}
	return c.machineOf[mac], nil
}

// WatchMachines calls fn with all machines, then with every change, until ctx
// ends. See store.Collection.Watch.
func (in *Inventory) WatchMachines(ctx context.Context, fn func([]store.Event[Machine]) error) error {
	return in.machines.Watch(ctx, fn)
}

func (m *Machine) normalise() error {
	if err := CheckName(m.Name); err != nil {
		return err
	}
	if len(m.MACs) == 0 {
		return &InvalidError{What: "machine", Value: m.Name, Want: "it needs the MAC address of its network card: that is how it is recognised"}
	}
	macs := make([]string, 0, len(m.MACs))
	for _, s := range m.MACs {
		mac, err := CanonicalMAC(s)
		if err != nil {
			return err
		}
		if !slices.Contains(macs, mac) {
			macs = append(macs, mac)
		}
	}
	m.MACs = macs
	var err error
	if m.UUID, err = canonicalUUID(m.UUID); err != nil {
		return err
	}
	if m.UUID != "" && RealUUID(m.UUID) == "" {
		return &InvalidError{What: "UUID", Value: m.UUID, Want: "it is one that boards have whose maker wrote none, so it tells no machine from another"}
	}
	if m.Serial != "" && RealSerial(m.Serial) != m.Serial {
		return &InvalidError{What: "serial number", Value: m.Serial, Want: "it is what the firmware has, such as 5CG1234XYZ, without blanks around it; and not what makers write who write none"}
	}
	m.Hardware = m.Hardware.normal()
	if m.Mode == "" {
		m.Mode = Persistent
	}
	if m.Mode, err = ParseMode(string(m.Mode)); err != nil {
		return err
	}
	if m.Limit < 0 {
		return &InvalidError{What: "limit", Value: fmt.Sprint(m.Limit), Want: "it is a number of bytes, 0 for none"}
	}
	if m.Address.IsValid() && !usable(m.Address) {
		return &InvalidError{What: "address", Value: m.Address.String(), Want: "it must be an IPv4 address of one host"}
	}
	if err := m.Access.normalise(); err != nil {
		return err
	}
	_, _, err = ParseRef(m.Image)
	return err
}

func usable(a netip.Addr) bool {
	return a.Is4() && !a.IsUnspecified() && !a.IsMulticast() && !a.IsLoopback() && a != netip.AddrFrom4([4]byte{255, 255, 255, 255})
}

// putMachine writes m and moves the indices from old to it.
func (in *Inventory) putMachine(tx *store.Tx, old, m Machine) error {
	if m.Image != old.Image || m.Mode != old.Mode { // as it is it may do without
		to, err := in.resolve(tx, m.Image)
		if err != nil {
			return err
		}
		if err := to.Bootable(); err != nil {
			return err
		}
		if err := in.keepDisk(tx, old, m, to); err != nil {
			return err
		}
	}
	for _, mac := range old.MACs {
		in.macs.In(tx).Delete(mac)
	}
	for _, mac := range m.MACs {
		if err := in.claim(tx, in.macs, "MAC address", mac, mac, m.Name); err != nil {
			return err
		}
		if !slices.Contains(old.MACs, mac) {
			in.waiting.In(tx).Delete(mac)
		}
	}
	if err := in.claimIdentities(tx, old, m); err != nil {
		return err
	}
	if old.Address.IsValid() {
		in.reserved.In(tx).Delete(addrKey(old.Address))
	}
	if m.Address.IsValid() {
		if err := in.claim(tx, in.reserved, "address", m.Address.String(), addrKey(m.Address), m.Name); err != nil {
			return err
		}
	}
	return in.machines.In(tx).Put(m.Name, m)
}

// claim writes key → owner into an index where each key has one owner.
func (in *Inventory) claim(tx *store.Tx, index *store.Collection[string], kind, name, key, owner string) error {
	holder, err := index.In(tx).Get(key)
	if err == nil && holder != owner {
		return &ExistsError{Kind: kind, Name: name, Owner: "machine " + holder, Remedy: "take it from that machine first, or look whether it was mistyped"}
	}
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	return index.In(tx).Put(key, owner)
}

func prefixed(prefix string, names []string) []string {
	out := make([]string, 0, len(names))
	for _, n := range names {
		out = append(out, prefix+n)
	}
	return out
}
