package scsi

import (
	"encoding/json"
	"fmt"
	"slices"
)

// Keeper keeps the persistent reservations of one disk over restarts of the
// server, for initiators that ask for it (APTPL).
type Keeper interface {
	// Load returns what was kept last, nothing if nothing was.
	Load() ([]byte, error)
	// Keep replaces what is kept. It is durable when Keep has returned.
	Keep(data []byte) error
}

// KeepReservations makes the disk remember by k, beginning with what k has
// kept. It is called before the disk is used. A disk whose reservations cannot be
// read must not be used: those whom they keep out would get in.
func (d *Disk) KeepReservations(k Keeper) error {
	data, err := k.Load()
	if err != nil {
		return fmt.Errorf("load persistent reservations: %w", err)
	}
	p := new(persistent)
	if len(data) > 0 {
		if p, err = decodePersistent(data); err != nil {
			return fmt.Errorf("load persistent reservations: %w", err)
		}
	}
	d.res.keeper = k
	d.reserve(p, nil)
	return nil
}

func (d *Disk) keepPersistent(next *persistent) error {
	switch {
	case d.res.keeper == nil:
		return nil
	case next.keep:
		data, err := next.encode()
		if err != nil {
			return err
		}
		return d.res.keeper.Keep(data)
	case d.res.persistent.Load().keep:
		return d.res.keeper.Keep(nil)
	}
	return nil
}

// kept is what a Keeper is given, as JSON. The generation begins at 0 again
// after a restart (SPC-4, 5.13.5). A target that is not named, as in version 1,
// is any.
type kept struct {
	Version       int                `json:"version"`
	Type          byte               `json:"type,omitempty"`
	Holder        string             `json:"holder,omitempty"` // port of the initiator
	HolderTarget  string             `json:"holderTarget,omitempty"`
	Registrations []keptRegistration `json:"registrations"`
}

type keptRegistration struct {
	Port   string `json:"port"` // of the initiator
	Target string `json:"target,omitempty"`
	Key    uint64 `json:"key,string"`
}

const keptVersion = 2

func (p *persistent) encode() ([]byte, error) {
	k := kept{Version: keptVersion, Type: p.kind, Holder: p.holder.initiator, HolderTarget: p.holder.target}
	for _, r := range p.list {
		k.Registrations = append(k.Registrations, keptRegistration{r.initiator, r.target, r.key})
	}
	return json.Marshal(k)
}

func decodePersistent(data []byte) (*persistent, error) {
	var k kept
	if err := json.Unmarshal(data, &k); err != nil {
		return nil, err
	}
	if k.Version < 1 || k.Version > keptVersion {
		return nil, fmt.Errorf("version %d where up to %d is known", k.Version, keptVersion)
	}
	if len(k.Registrations) > maxRegistrations {
		return nil, fmt.Errorf("%d registrations, %d are the most", len(k.Registrations), maxRegistrations)
	}
	p := &persistent{keep: true, kind: k.Type, holder: ports{k.Holder, k.HolderTarget}}
	for _, r := range k.Registrations {
		who := ports{r.Port, r.Target}
		if r.Port == "" || r.Key == 0 || p.overlaps(who) {
			return nil, fmt.Errorf("registration of port %q at %q with key %#x", r.Port, r.Target, r.Key)
		}
		p.list = append(p.list, registration{who, r.Key})
	}
	if p.kind == noReservation {
		if p.holder != (ports{}) {
			return nil, fmt.Errorf("%q holds no reservation", p.holder.initiator)
		}
		return p, nil
	}
	if !reservationType(p.kind) || p.all() != (p.holder == ports{}) || !p.all() && !p.registered(p.holder) {
		return nil, fmt.Errorf("reservation of type %d held by %q", p.kind, p.holder.initiator)
	}
	return p, nil
}

// overlaps tells whether a nexus that who names may be registered.
func (p *persistent) overlaps(who ports) bool {
	return slices.ContainsFunc(p.list, func(r registration) bool { return r.covers(who) || who.covers(r.ports) })
}
