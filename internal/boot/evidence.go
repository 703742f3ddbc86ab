package boot

import (
	"errors"
	"io/fs"
	"net/netip"
	"path"
	"strings"
	"time"

	"bootes.dev/internal/diagnose"
	"bootes.dev/internal/inventory"
	"bootes.dev/internal/loaders"
	"bootes.dev/internal/recorder"
)

// evidence is what was seen of an attempt: what a diagnosis will speak of, should the
// boot stop. It decides nothing of what a machine gets, but that a boot which was
// said to have stopped does not keep its disk from static credentials. The attempts'
// mu guards it.
type evidence struct {
	watch    watch
	seen     diagnose.Case // as far as it is noted while it boots; see caseOf
	fetched  time.Time     // when it had its loader; zero: it has come back from that
	fetching time.Time     // when it asked for the file that is being sent
	pool     Pool          // that had no address left for it
	from     netip.Addr    // where its last DISCOVER came from: its relay, if it has one
	askedAt  time.Time     // when the network was asked about it, after it had stopped
	deaf     time.Time     // when its system did not answer a ping; zero: it always has
	left     time.Time     // when its system's last session ended
	silent   bool          // that its system is silent was told, and holds
	layer    string        // of the image that its disk stands on
	diskAt   time.Time     // when its disk was opened first
	systemAt time.Time     // when its system opened it; zero: it has not
	reopened int           // times that it did so again, having lost it
	lostBy   string        // how, the last time
	cycles   []cycle       // the boots before it
	loops    bool          // it was told that it is in a loop
	end      cycle         // how it went itself, once another follows it
}

// Exchange is one message of a DHCP client's, and what came of it.
type Exchange struct {
	Offer, ACK bool         // what it was sent
	Proxied    bool         // it asked on the port of proxies
	Addr       netip.Addr   // the address that it was sent, or takes from another server
	From       netip.Addr   // that server
	File       string       // what it was told to boot
	Refused    string       // why it was not answered
	NoBoot     string       // why there is nothing for it to boot
	Full       bool         // because there is no address left
	Pool       Pool         // in this
	Routerless netip.Prefix // the network behind a relay whose machines are told no router; zero: they are
}

// Pool is the addresses of a network that are given to whoever asks.
type Pool struct {
	Network   netip.Prefix // as leases name it
	Range     string
	Addresses int
	Pools     []inventory.Pool
}

// Exchanged notes what became of a message of DHCP.
func (s *Service) Exchanged(c Client, machine string, x Exchange) {
	a := s.attempts.byCard(c.MAC.String())
	if a == nil || machine != "" && a.subject != machine {
		return
	}
	if !c.IPXE && c.Firmware == loaders.NoFirmware {
		s.attempts.with(a, func() { a.system(x) })
		return
	}
	s.attempts.with(a, func() {
		if a.dhcp(c).exchanged(x); x.Full {
			a.pool = x.Pool
		}
	})
	s.alive(a)
	told := ""
	s.attempts.with(a, func() { told = a.watch.told })
	if told == "" && (x.Full || x.NoBoot != "") {
		s.settle(a, &a.watch.due.settle)
	}
}

// system notes what became of a message of a's system.
func (a *attempt) system(x Exchange) {
	if !a.stage.After(recorder.StageLogin) {
		return
	}
	a.seen.System.Asked = true
	if x.ACK || x.From.IsValid() {
		a.seen.System.Took = x.Addr
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
	d.Proxy, d.Relay, d.Network = c.Proxy, c.Relay, c.Network
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
	d.Refused, d.Full, d.Routerless = "", false, x.Routerless
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
func (s *Service) asksFor(a *attempt, name string, to netip.Addr) {
	s.attempts.with(a, func() {
		a.seen.Loader.Asked, a.fetching = name, time.Now()
		s.attempts.sendTo(a, to)
	})
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
		l.Took, l.Resent, l.For = f.Took, f.Resent, runsOn
		l.Missing, l.Failed = "", diagnose.Transfer{}
		if f.packet() >= l.Stuck {
			l.Stuck = 0
		}
		a.fetched = now
	case errors.Is(f.Err, fs.ErrNotExist):
		a.missed(f.Name)
	default:
		l.Failed = diagnose.Transfer{
			Name: f.Name, Proto: f.Proto, Bytes: f.Bytes, Why: f.Err.Error(), Times: l.Failed.Times + 1,
			Answered: f.Answered, Packet: f.packet(), Resent: f.Resent, Repeated: f.Repeated, Restarted: f.Restarted,
			Alike: l.Failed.Times > 0 && l.Failed.Bytes == f.Bytes && (l.Failed.Alike || l.Failed.Times == 1),
		}
		if l.Failed.Stuck() {
			l.Stuck = f.packet()
		}
	}
}

// missed notes a file that a asked for and that is not there.
func (a *attempt) missed(name string) {
	switch {
	case a.firmware == loaders.RaspberryPi || optionalFile[path.Base(name)] || path.Base(name) == autoexecName:
	case loaders.IsShim(a.loader) && a.stage == recorder.StageLoader:
		a.seen.Loader.Second = name
	default:
		a.seen.Loader.Missing = name
	}
}
