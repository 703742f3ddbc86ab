package dhcp

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"bootes.dev/internal/netif"
	"github.com/insomniacslk/dhcp/dhcpv4"
)

// handleTime bounds one message's handling: a client repeats after four
// seconds, and a later answer would answer nobody.
const handleTime = 4 * time.Second

// link is one interface as its messages see it.
type link struct {
	config    InterfaceConfig
	policy    Policy
	leases    Leases
	log       *slog.Logger
	addresses func() (netif.Interface, error)
}

// datagram is one packet that came in.
type datagram struct {
	data []byte
	from netip.AddrPort
	to   netip.Addr // our address, or the broadcast address
	port int        // of ours
}

// sender sends an answer from one of our addresses.
type sender func(data []byte, from netip.Addr, to netip.AddrPort) error

// exchange is one client message on its way to an answer.
type exchange struct {
	l      *link
	in     datagram
	m      *dhcpv4.DHCPv4
	q      Query
	d      Decision
	prefix netip.Prefix // of the network we serve, host bits zero
}

// outcome is an answer, or the reason for none.
type outcome struct {
	packet *dhcpv4.DHCPv4 // nil: stay silent
	reply  Reply
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
	m, t, err := decode(in.data)
	if err != nil {
		l.log.Debug("ignored", "interface", l.config.Name, "from", in.from, "reason", err)
		return
	}
	if in.port == ServerPort && in.from.Port() != ServerPort && in.from.Port() != ClientPort {
		l.log.Debug("ignored", "interface", l.config.Name, "from", in.from, "reason", "neither a client's port nor a relay's: any user could have sent it")
		return
	}
	ctx, cancel := context.WithTimeout(ctx, handleTime)
	defer cancel()
	x := &exchange{l: l, in: in, m: m, q: query(m, t)}
	x.q.Interface, x.q.Mode, x.q.Port = l.config.Name, l.config.Mode, in.port
	bad := x.place()
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
	l.policy.Sent(x.q, x.send(out, send))
}

// place finds the address by which we are reached: the one that the client
// wrote to, else the one on the network that we serve.
func (x *exchange) place() error {
	ifc, err := x.l.addresses()
	if err != nil {
		return err
	}
	p, ok := ifc.IPv4For(x.l.config.First)
	for _, a := range ifc.Addrs {
		if a.Addr() == x.in.to {
			p, ok = a, true
		}
	}
	if !ok {
		return fmt.Errorf("answer on interface %q: it has no IPv4 address", x.l.config.Name)
	}
	x.q.Server, x.prefix = p.Addr(), p.Masked()
	if x.l.config.Prefix.IsValid() {
		x.prefix = x.l.config.Prefix.Masked()
	}
	return nil
}

// foreignRelay reports a relay in front of another network, whose clients
// must not get addresses of this one.
func (x *exchange) foreignRelay() (netip.Addr, bool) {
	relay := addr(x.m.GatewayIPAddr.To4())
	return relay, relay.IsValid() && !x.prefix.Contains(relay)
}

// answer completes a packet into an outcome. Firmware is told what to boot; if
// not, the reply says why.
func (x *exchange) answer(t MessageType, p *dhcpv4.DHCPv4) outcome {
	out := outcome{packet: p, reply: Reply{Type: t, Addr: addr(p.YourIPAddr.To4()), To: x.destination(t)}}
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
	if err := send(out.packet.ToBytes(), x.q.Server, r.To); err != nil {
		r.Err = fmt.Errorf("send %s to %s: %w", r.Type, r.To, err)
		r.Reason, r.Type, r.Boot = r.Err.Error(), 0, false
	}
	return r
}
