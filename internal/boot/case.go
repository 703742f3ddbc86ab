package boot

import (
	"cmp"
	"context"
	"net"
	"net/netip"
	"time"

	"bootes.dev/internal/diagnose"
	"bootes.dev/internal/inventory"
	"bootes.dev/internal/loaders"
	"bootes.dev/internal/netif"
	"bootes.dev/internal/recorder"
)

// caseOf is all that is known of a.
func (s *Service) caseOf(ctx context.Context, a *attempt, now time.Time) diagnose.Case {
	var c diagnose.Case
	var fw loaders.Firmware
	var server netip.Addr
	var reached, deaf, left time.Time
	var of checked
	s.attempts.with(a, func() {
		reached, deaf, left, of = a.watch.reached, a.deaf, a.left, s.checks.get(a.layer)
		c, fw, server = a.seen, cmp.Or(a.firmware, a.platform), a.server
		c.Stage, c.MAC, c.Interface, c.Loader.Told = a.stage, a.mac, a.iface, a.loader
		c.Silent = now.Sub(a.watch.life)
		if stuck := now.Sub(a.watch.reached); c.Silent < a.watch.patience && recorder.StageLogin.After(a.stage) {
			c.Silent = stuck
		}
	})
	c.Subject, c.Known, c.Server = a.subject, !a.stranger(), server
	c.Firmware = diagnose.Firmware{Name: string(fw), Arch: fw.Arch(), Runs: fw.RunsOn(), UEFI: fw.UEFI(), HTTP: fw.HTTP(), Flag: simulated[fw], NoLongMode: c.Firmware.NoLongMode}
	c.Loader.Signed = loaders.IsShim(c.Loader.Told)
	c.Disk.Damaged, c.Disk.Sound = of.damage, of.sound
	if u := s.Recorder.Usual(a.subject, c.Stage); u.Boots > 1 {
		c.Usual = u.Median
	}
	s.configured(&c)
	s.around(&c, a, reached)
	if s.Pace != nil {
		c.Pace = s.Pace(a.id)
	}
	c.System.Deaf = c.System.Deaf || !c.System.Silent.IsZero()
	switch {
	case c.Stage == recorder.StageRead:
		deaf = now.Add(-c.Silent)
	case !c.System.Deaf && c.System.Lost():
		deaf = left.Add(farewell)
	}
	if (c.System.Deaf || c.System.Lost() || c.Stage == recorder.StageRead) && s.Heard != nil {
		c.Heard = s.Heard(c.MAC, deaf)
	}
	c.Conflict = s.conflict(ctx, a)
	c.Pool = s.pool(ctx, a)
	s.known(ctx, &c)
	c.Past.Failed = 1 // this one
	s.past(&c, s.before(a))
	return c
}

// farewell is how long packets of a connection that has ended may come.
const farewell = 2 * time.Second

// configured adds how this server serves c's machine.
func (s *Service) configured(c *diagnose.Case) {
	c.Ports = diagnose.Ports{HTTP: s.HTTPPort, TFTP: s.TFTPPort, ISCSI: s.ISCSIPort}
	c.Script.URL, c.Script.HTTPed = c.IPXE.File, s.Addresses[c.Interface].HTTP.IsValid()
	if i, err := netif.ByName(c.Interface); err == nil {
		c.DHCP.Outside = outside(i.Addrs, c.Server, c.DHCP)
		c.IPXE.Outside = outside(i.Addrs, c.Server, c.IPXE)
	}
	c.Script.Ours = c.Script.Portal.IsValid() && ours(c.Script.Portal.Addr())
	c.Disk.Folder = s.Data
}

// outside is which of the networks of an interface server is of, if another DHCP
// server has given an address that is of none of them.
func outside(all []netip.Prefix, server netip.Addr, d diagnose.DHCP) (own netip.Prefix) {
	if !d.From.IsValid() || !d.Has.IsValid() || d.Relay.IsValid() {
		return own
	}
	for _, p := range all {
		if p.Contains(d.Has) {
			return netip.Prefix{}
		}
		if p.Contains(server) {
			own = p.Masked()
		}
	}
	return own
}

// around adds what the servers know beside a: other machines, other servers,
// packets and sessions.
func (s *Service) around(c *diagnose.Case, a *attempt, reached time.Time) {
	c.DHCP.Heard = s.attempts.came(a)
	c.IPXE.Heard = c.DHCP.Heard
	if s.Others != nil {
		c.DHCP.Others = s.Others(c.Interface)
		c.IPXE.Others = c.DHCP.Others
	}
	if s.Knocks != nil {
		c.Knocks, c.Script.Connected = s.Knocks(c.MAC, reached)
	}
	m := s.moved(a.id)
	c.Disk.Reads, c.Disk.Read, c.Disk.Written = m.Reads, m.Read, m.Written
	c.System.Open = m.System
	c.Disk.Unacknowledged = m.Unacknowledged
}

// simulated is what `bootes simulate --firmware` calls the kinds that it plays.
var simulated = map[loaders.Firmware]string{
	loaders.BIOS: "bios", loaders.EFI64: "efi", loaders.EFI32: "efi32", loaders.EFIARM64: "arm64", loaders.HTTP64: "http", loaders.RaspberryPi: "rpi", loaders.UBootARM64: "uboot",
}

// known adds what the store says of c's machine.
func (s *Service) known(ctx context.Context, c *diagnose.Case) {
	if m, err := s.Inventory.Machine(ctx, c.Subject); err == nil {
		c.Loader.Pinned = m.Loader != "" && m.Loader == c.Loader.Told
		c.Past.Ephemeral = m.Mode == inventory.Ephemeral
		if c.Disk.Ref == "" {
			c.Disk.Ref = m.Image
		}
		if c.Begins { // its script, which would say, is not made yet
			c.Disk.Image = cmp.Or(c.Disk.Image, m.Image)
			if v, err := s.Inventory.FindVolume(ctx, m.Name, m.Image, m.Mode, ""); err == nil && m.Mode == inventory.Persistent {
				c.Disk.Volume = v.ID
			}
		}
		return
	}
	mac, err := net.ParseMAC(c.MAC)
	switch u := s.Unknown[c.Interface]; {
	case err != nil || c.Known:
	case c.Script.Waiting:
		c.HowTo = s.howToApprove(ctx, mac, u)
	case u.Policy == Ignore:
		c.HowTo = s.howToAdd(ctx, mac)
	}
	if err == nil && !c.Known {
		c.Near = s.near(ctx, c.MAC)
	}
}

// near is a machine that has never been seen, for whose MAC a stranger's may have
// been meant.
func (s *Service) near(ctx context.Context, mac string) (d diagnose.Card) {
	all, _ := s.Inventory.Resembling(ctx, mac)
	for _, c := range all {
		if _, seen := s.Recorder.Newest(c.Machine); !seen {
			return diagnose.Card(c)
		}
	}
	return d
}

// came is how many other machines on a's interface have come for what they were
// told to boot.
func (as *attempts) came(a *attempt) (n int) {
	as.mu.Lock()
	defer as.mu.Unlock()
	for _, o := range as.m {
		if o != a && o.iface == a.iface && o.stage.After(recorder.StageFirmware) {
			n++
		}
	}
	return n
}

// ours reports whether addr is one of this computer's.
func ours(addr netip.Addr) bool {
	all, err := netif.List()
	for _, i := range all {
		for _, p := range i.Addrs {
			if p.Addr() == addr {
				return true
			}
		}
	}
	return err != nil
}
