package dhcp

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
)

// handleTime bounds one message's handling: a client repeats after four
// seconds, and a later answer would answer nobody.
const handleTime = 4 * time.Second

// link is one interface as its messages see it.
type link struct {
	config InterfaceConfig
	policy Policy
	leases Leases
	log    *slog.Logger
	place  func() (*place, error)

	strangers strangers
	conflicts *conflicts // nil: addresses are offered without a look
	flood     flood
	full      full
	others    *others // nil in tests that have none
	rush      *rush   // likewise
}

// datagram is one packet that came in.
type datagram struct {
	data []byte
	from netip.AddrPort
	to   netip.Addr // our address, or the broadcast address
	port int        // of ours
}

// sender sends an answer from one of our addresses. A client whose stack does
// not have its address yet, and answers no ARP, is named by mac.
type sender func(data []byte, from netip.Addr, to netip.AddrPort, mac net.HardwareAddr) error

// exchange is one client message on its way to an answer.
type exchange struct {
	l     *link
	in    datagram
	m     dhcpv4.DHCPv4
	q     Query
	d     Decision
	place *place
	seg   *segment   // the client's link; nil: not one that we serve
	net   *network   // of it, that of the client's address, as far as it is known
	relay relayAgent // what the client's relay asks

	made dhcpv4.DHCPv4 // the answer
	buf  []byte        // its bytes
}

// exchanges that have ended, for the memory of their options and bytes: what thousands
// a second leave to Go's collector delays answers.
var exchanges = sync.Pool{New: func() any { return new(exchange) }}

// outcome is an answer, or the reason for none.
type outcome struct {
	packet *dhcpv4.DHCPv4 // nil: stay silent
	reply  Reply
	look   netip.Addr // valid: to be offered once it is known that nobody uses it
}

func silence(format string, args ...any) outcome {
	return outcome{reply: Reply{Reason: fmt.Sprintf(format, args...)}}
}

// failure is silence by a fault of ours.
func failure(err error) outcome {
	return outcome{reply: Reply{Reason: err.Error(), Err: err}}
}

// handle takes one datagram. Every well-formed client message causes one
// Decide and one Sent, whatever comes of it.
func (l *link) handle(ctx context.Context, in datagram, send sender) {
	if x := l.open(in); x != nil {
		x.run(ctx, send)
	}
}

// open reads a datagram; nil: there is nothing to answer.
func (l *link) open(in datagram) *exchange {
	x := exchanges.Get().(*exchange)
	t, err := decode(in.data, &x.m)
	if err == nil && in.port == ServerPort && in.from.Port() != ServerPort && in.from.Port() != ClientPort {
		err = errUserPort
	}
	if err != nil {
		exchanges.Put(x)
		l.log.Debug("ignored", "interface", l.config.Name, "from", in.from, "reason", err)
		return nil
	}
	*x = exchange{l: l, in: in, m: x.m, q: query(&x.m, t), made: x.made, buf: x.buf}
	x.q.Interface, x.q.Mode, x.q.Port, x.q.From = l.config.Name, l.config.Mode, in.port, in.from.Addr()
	return x
}

// run answers the message, and then x is another's.
func (x *exchange) run(ctx context.Context, send sender) {
	l := x.l
	bad := x.locate()
	if bad == nil && x.q.Type == Discover && IsProbe(x.m.ClientHWAddr) {
		_ = x.send(x.greet(), send)
		exchanges.Put(x)
		return
	}
	if !x.q.Simulated && !x.place.ours(x.q.ServerID) { // as a rule it is us, and to ask that of the kernel takes long
		l.named(x.q)
	}
	ctx, cancel := context.WithTimeout(ctx, handleTime)
	x.d = l.policy.Decide(ctx, x.q)
	var out outcome
	switch {
	case bad != nil:
		out = failure(bad)
	case l.config.Mode == ModeServer:
		out = x.server(ctx)
	default:
		out = x.proxy()
	}
	out.reply.Rogue = x.q.Type == Request && !x.q.Simulated && l.rogue(x.q.ServerID)
	end := func(out outcome) {
		l.policy.Sent(x.q, x.send(out, send))
		cancel()
		exchanges.Put(x)
	}
	look := out.look
	if !look.IsValid() {
		end(out)
		return
	}
	if !l.conflicts.spawn(func() { end(x.looked(ctx, look)) }) {
		l.conflicts.end(look, false)
		end(x.give(ctx, Offer, look))
	}
}

// locate finds the client's link, and the address by which it reaches us.
func (x *exchange) locate() (err error) {
	if x.place, err = x.l.place(); err != nil {
		return err
	}
	x.relay = relayOf(&x.m)
	x.seg = x.segment()
	if x.seg != nil {
		x.net = x.seg.network(x.wanted())
		if x.net == nil && len(x.seg.networks) > 0 {
			x.net = &x.seg.networks[0]
		}
	}
	if x.q.Relay.IsValid() && x.net != nil && !x.net.self.IsValid() {
		x.q.Network = x.net.prefix
	}
	if !x.reachedAt() {
		return fmt.Errorf("this server's interface %s has no IPv4 address any more: `ip addr add ADDRESS/LENGTH dev %s` gives it back, ADDRESS/LENGTH being what it had; see what took it away (journalctl, its network settings)", x.l.config.Name, x.l.config.Name)
	}
	return nil
}

// wanted is the address that the client has or asks for.
func (x *exchange) wanted() netip.Addr {
	if x.q.CIAddr.IsValid() {
		return x.q.CIAddr
	}
	return x.q.Requested
}

// reachedAt decides by which of our addresses the client reaches us: the one
// that it wrote to or named, else the one on its network, else any.
func (x *exchange) reachedAt() bool {
	first, ok := x.place.ifc.IPv4()
	switch {
	case x.place.ours(x.in.to):
		x.q.Server = x.in.to
	case x.place.ours(x.q.ServerID):
		x.q.Server = x.q.ServerID
	case x.net != nil && x.net.self.IsValid():
		x.q.Server = x.net.self
	default:
		x.q.Server = first.Addr()
	}
	return ok
}

// segment is the client's link. A relay tells it, by the address on which the
// client's message came in or by one that it names instead; a renewal is sent
// from the client's own address, through routers; all else is on our wire.
func (x *exchange) segment() *segment {
	unicast := x.place.ours(x.in.to)
	switch at := x.selector(); {
	case at.IsValid():
		return x.place.segment(at)
	case unicast && x.q.CIAddr.IsValid():
		return x.place.segment(x.q.CIAddr)
	case len(x.place.wire.networks) > 0:
		return &x.place.wire
	}
	return nil
}

// selector is the address that tells the client's network, in the order of
// RFC 3527, 3: the relay's link selection, the client's subnet selection
// (RFC 3011), the relay's address. Zero: none does.
func (x *exchange) selector() netip.Addr {
	if x.relay.link.IsValid() {
		return x.relay.link
	}
	if at := addr(x.m.Options[optSubnetSelection]); at.IsValid() {
		return at
	}
	return x.q.Relay
}

// answer completes a packet into an outcome. Firmware is told what to boot; if
// not, the reply says why.
func (x *exchange) answer(t MessageType, p *dhcpv4.DHCPv4) outcome {
	given := addr(p.YourIPAddr.To4())
	out := outcome{packet: p, reply: Reply{Type: t, Addr: given, To: x.destination(t, given)}}
	if t == NAK || !x.q.NetBoot {
		return out
	}
	if reason := x.noBoot(); reason != "" {
		out.reply.Reason = reason
		return out
	}
	x.addBoot(p)
	out.reply.Boot = true
	return out
}

func (x *exchange) send(out outcome, send sender) Reply {
	r := out.reply
	r.Decision = x.d
	if out.packet == nil {
		return r
	}
	var mac net.HardwareAddr
	if r.Addr.IsValid() && r.To.Addr() == r.Addr && !x.q.CIAddr.IsValid() {
		mac = x.q.MAC
	}
	x.buf = encode(x.buf[:0], out.packet, x.m.Options[optParameters], x.m.Options[optMaxSize])
	if err := send(x.buf, x.q.Server, r.To, mac); err != nil {
		r.Err = fmt.Errorf("send %s to %s: %w", r.Type, r.To, err)
		r.Reason, r.Type, r.Boot = r.Err.Error(), 0, false
	}
	if r.Type == ACK && x.l.rush != nil {
		x.l.rush.acked()
	}
	return r
}
