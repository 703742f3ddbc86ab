package boot

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"net"
	"net/netip"
	"path"
	"strings"
	"time"

	"bootes.dev/internal/block"
	"bootes.dev/internal/diagnose"
	"bootes.dev/internal/inventory"
	"bootes.dev/internal/netif"
	"bootes.dev/internal/recorder"
)

// What is noted here, in attempt.seen, decides nothing: it is what a diagnosis
// will speak of, should the boot stop.

// Exchange is one message of a DHCP client's, and what came of it.
type Exchange struct {
	Offer, ACK bool       // what it was sent
	Proxied    bool       // it asked on the port of proxies
	Addr       netip.Addr // the address that it was sent, or takes from another server
	From       netip.Addr // that server
	File       string     // what it was told to boot
	Refused    string     // why it was not answered
	NoBoot     string     // why there is nothing for it to boot
	Full       bool       // because there is no address left
}

// Exchanged notes what became of a message of DHCP.
func (s *Service) Exchanged(c Client, machine string, x Exchange) {
	a := s.attempts.byCard(c.MAC.String())
	if a == nil || machine != "" && a.subject != machine {
		return
	}
	if !c.IPXE && c.Firmware == NoFirmware {
		s.attempts.with(a, func() { a.seen.System.Asked = a.stage.After(recorder.StageLogin) })
		return
	}
	s.attempts.with(a, func() { a.dhcp(c).exchanged(x) })
	s.alive(a)
	told := ""
	s.attempts.with(a, func() { told = a.watch.told })
	if told == "" && (x.Full || x.NoBoot != "") {
		s.settle(a, &a.watch.settle)
	}
}

// dhcpSeen is diagnose.DHCP with what is noted in it.
type dhcpSeen diagnose.DHCP

// dhcp is what was seen of the program that c is.
func (a *attempt) dhcp(c Client) *dhcpSeen {
	if c.IPXE {
		return (*dhcpSeen)(&a.seen.IPXE)
	}
	return (*dhcpSeen)(&a.seen.DHCP)
}

// discovered notes a DISCOVER. One of firmware's after a loader tells that the
// loader has not stayed.
func (a *attempt) discovered(c Client, now time.Time) {
	d := a.dhcp(c)
	if d.Asked++; d.Asked == 1 {
		d.Late = c.Late
	}
	d.Proxy, d.Relay = c.Proxy, c.Relay
	if !c.IPXE && !a.fetched.IsZero() {
		a.returned(now)
	}
}

// returned notes that a's firmware has come back from the loader that it had.
func (a *attempt) returned(now time.Time) {
	l, after := &a.seen.Loader, now.Sub(a.fetched)
	if l.Returns++; l.Returns == 1 || after < l.Back {
		l.Back = after
	}
	a.fetched = time.Time{}
}

func (d *dhcpSeen) exchanged(x Exchange) {
	d.NoBoot = x.NoBoot
	switch {
	case x.From.IsValid():
		d.Has, d.From = x.Addr, x.From
		return
	case !x.Offer && !x.ACK:
		d.Refused, d.Full = x.Refused, x.Full
		return
	}
	d.Refused, d.Full = "", false
	d.File = x.File
	switch {
	case x.Proxied:
		d.Proxied = true
	case x.ACK:
		d.Has, d.From = x.Addr, netip.Addr{}
	default:
		d.Answered++
		d.Offered = x.Addr
	}
}

// asksFor notes that a file is to be sent.
func (s *Service) asksFor(a *attempt, name string) {
	s.attempts.with(a, func() { a.seen.Loader.Asked, a.fetching = name, time.Now() })
	s.alive(a)
}

// sent notes what became of a file that a asked for.
func (a *attempt) sent(f Fetched, runsOn string, now time.Time) {
	l := &a.seen.Loader
	l.Asked = ""
	switch {
	case f.Err == nil:
		if l.Name == f.Name {
			l.Times++
		} else {
			l.Name, l.Times, l.Proto, l.Returns, l.Back = f.Name, 1, "", 0, 0
		}
		if !strings.Contains(l.Proto, f.Proto) {
			l.Proto = strings.TrimPrefix(l.Proto+" and "+f.Proto, " and ")
		}
		l.Took, l.For = f.Took, runsOn
		l.Missing, l.Failed = "", diagnose.Transfer{}
		a.fetched = now
	case errors.Is(f.Err, fs.ErrNotExist):
		a.missed(f.Name)
	default:
		l.Failed = diagnose.Transfer{
			Name: f.Name, Proto: f.Proto, Bytes: f.Bytes, Why: f.Err.Error(), Times: l.Failed.Times + 1,
			Answered: f.Answered, Block: f.Block, Resent: f.Resent, Restarted: f.Restarted,
		}
	}
}

// missed notes a file that a asked for and that is not there.
func (a *attempt) missed(name string) {
	switch {
	case a.firmware == RaspberryPi || optionalFile[path.Base(name)] || path.Base(name) == autoexecName:
	case isShim(a.loader) && a.stage == recorder.StageLoader:
		a.seen.Loader.Second = name
	default:
		a.seen.Loader.Missing = name
	}
}

// scriptRefused notes that a's script was asked for, and why it was not given.
func (s *Service) scriptRefused(by Asker, err error) {
	a := s.attempts.byCard(by.MAC.String())
	if a == nil {
		return
	}
	final := !errors.Is(err, ErrForbidden)
	s.attempts.with(a, func() {
		a.seen.Script.Refusals++
		a.seen.Script.Refused, a.seen.Script.Final = err.Error(), final
	})
	if final {
		s.settle(a, &a.watch.settle)
	}
}

// scriptIs notes the script that a's machine has.
func (a *attempt) scriptIs(v inventory.Volume, remote netip.Addr) {
	a.addr = remote
	a.seen.Script.Refusals, a.seen.Script.Waiting = 0, false
	d := &a.seen.Disk
	d.Volume, d.Image, d.Ref, d.Ready, d.Limit = v.ID, v.Image, v.Ref, v.Identity, v.Limit
}

// loginRefused notes a login that was refused to the computer that boots as a
// machine, or says that it is it.
func (s *Service) loginRefused(in Initiator, machine, reason string) {
	a := s.attempts.current(machine)
	if a == nil {
		return
	}
	its := false
	s.attempts.with(a, func() {
		if its = in.Remote == a.addr || in.Name == s.InitiatorName(machine); its {
			a.refused(reason)
		}
	})
	if its {
		s.alive(a)
		s.settle(a, &a.watch.settle)
	}
}

// refused notes a login that failed.
func (a *attempt) refused(reason string) {
	if diagnose.Unfinished(reason) {
		a.seen.Login.Broken = reason
		return
	}
	a.seen.Login.Refusals++
	a.seen.Login.Refused = reason
}

// loggedIn notes a login.
func (a *attempt) loggedIn(by Session) {
	a.seen.Login = diagnose.Login{}
	if by.Firmware {
		a.seen.System.Left, a.seen.System.GaveUp, a.watch.left = false, false, time.Time{}
	} else {
		a.seen.System.Ended, a.seen.System.Lasted = "", 0
	}
}

// SessionEnded notes the end of a session of b.
func (s *Service) SessionEnded(b inventory.Boot, by Session, reason string, lasted time.Duration) {
	a := s.attempts.current(b.Machine)
	if a == nil || a.id != b.ID {
		return
	}
	s.attempts.with(a, func() {
		y := &a.seen.System
		if by.Firmware {
			y.Left, a.watch.left = true, time.Now()
		} else {
			y.Ended, y.Lasted, y.LoggedOut = reason, lasted, by.LoggedOut
		}
	})
	s.alive(a)
	if by.Firmware {
		s.settle(a, &a.watch.settle)
	}
}

// DiskFailure is why a read or a write failed.
type DiskFailure struct {
	Err     error // a block.ErrCorrupt or a block.ErrNoSpace
	AtLimit bool  // it is the volume's own limit that leaves no space
	Limit   int64 // bytes
}

// DiskFails notes that a read or a write of b's disk has failed, and says at once
// what that means: the first time, since a disk that fails does so often.
func (s *Service) DiskFails(b inventory.Boot, f DiskFailure) {
	a := s.attempts.current(b.Machine)
	if a == nil || a.id != b.ID {
		return
	}
	news := false
	s.attempts.with(a, func() {
		d := &a.seen.Disk
		switch {
		case errors.Is(f.Err, block.ErrCorrupt) && d.Corrupt == "":
			d.Corrupt, news = f.Err.Error(), true
		case errors.Is(f.Err, block.ErrNoSpace) && d.Full == "":
			d.Full, d.Limit, d.AtLimit, news = f.Err.Error(), f.Limit, f.AtLimit, true
		}
	})
	if news {
		s.settle(a, &a.watch.failing)
	}
}

// Opened notes what the disk of b looks like to its firmware, or why it could not
// be opened.
func (s *Service) Opened(b inventory.Boot, l diagnose.Layout, err error) {
	a := s.attempts.current(b.Machine)
	if a == nil || a.id != b.ID {
		return
	}
	s.attempts.with(a, func() {
		a.seen.Disk.Layout = l
		if err != nil {
			a.seen.Login.Open = err.Error()
		}
		if errors.Is(err, block.ErrCorrupt) {
			a.seen.Disk.Corrupt = err.Error()
		}
	})
	if err != nil {
		s.settle(a, &a.watch.settle)
	}
}

// caseOf is all that is known of a.
func (s *Service) caseOf(ctx context.Context, a *attempt, now time.Time) diagnose.Case {
	var c diagnose.Case
	var fw Firmware
	var server netip.Addr
	var reached time.Time
	s.attempts.with(a, func() {
		reached = a.watch.reached
		c, fw, server = a.seen, cmp.Or(a.firmware, a.platform), a.server
		c.Stage, c.MAC, c.Interface, c.Loader.Told = a.stage, a.mac, a.iface, a.loader
		c.Silent = now.Sub(a.watch.life)
		if stuck := now.Sub(a.watch.reached); c.Silent < a.watch.patience {
			c.Silent = stuck
		}
	})
	c.Subject, c.Known, c.Server = a.subject, !a.stranger(), server
	c.Ports = diagnose.Ports{HTTP: s.HTTPPort, TFTP: s.TFTPPort, ISCSI: s.ISCSIPort}
	c.Firmware = diagnose.Firmware{Name: string(fw), Arch: builds[fw].arch, Runs: builds[fw].runsOn(), UEFI: fw.uefi(), HTTP: fw.http(), Flag: simulated[fw]}
	if u := s.Recorder.Usual(a.subject, c.Stage); u.Boots > 1 {
		c.Usual = u.Median
	}
	c.Loader.Signed = isShim(c.Loader.Told)
	c.Script.URL, c.Script.HTTPed = c.IPXE.File, s.Addresses[c.Interface].HTTP.IsValid()
	c.Script.Ours = ours(c.Script.Portal.Addr())
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
	c.Disk.Folder = s.Data
	c.System.Open = m.System
	s.known(ctx, &c)
	c.Past.Failed = 1 // this one
	s.past(&c, s.before(a.subject, a.id))
	return c
}

// simulated is what `bootes simulate --firmware` calls the kinds that it plays.
var simulated = map[Firmware]string{
	BIOS: "bios", EFI64: "efi", EFI32: "efi32", EFIARM64: "arm64", HTTP64: "http", RaspberryPi: "rpi", UBootARM64: "uboot",
}

// known adds what the store says of c's machine.
func (s *Service) known(ctx context.Context, c *diagnose.Case) {
	if m, err := s.Inventory.Machine(ctx, c.Subject); err == nil {
		c.Loader.Pinned = m.Loader != "" && m.Loader == c.Loader.Told
		c.Past.Ephemeral = m.Mode == inventory.Ephemeral
		if c.Disk.Ref == "" {
			c.Disk.Ref = m.Image
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
