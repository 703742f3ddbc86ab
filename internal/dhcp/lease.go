package dhcp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"
)

// requestState is what a client's REQUEST means (RFC 2131, 4.3.2).
type requestState uint8

const (
	selecting  requestState = iota // takes an offer of the server it names
	initReboot                     // comes back and wants its old address
	renewing                       // asks us, by unicast, for more time
	rebinding                      // asks any server for more time
	meaningless
)

// state tells a REQUEST's meaning and the address that it is about.
func (x *exchange) state() (requestState, netip.Addr) {
	q := x.q
	switch {
	case q.ServerID.IsValid() && q.Requested.IsValid():
		return selecting, q.Requested
	case q.ServerID.IsValid() && q.CIAddr.IsValid(): // against 4.3.2, and unmistakable
		return selecting, q.CIAddr
	case q.CIAddr.IsValid() && x.in.to == q.Server:
		return renewing, q.CIAddr
	case q.CIAddr.IsValid():
		return rebinding, q.CIAddr
	case q.Requested.IsValid():
		return initReboot, q.Requested
	}
	return meaningless, netip.Addr{}
}

// server answers as the DHCP server of this network.
func (x *exchange) server(ctx context.Context) outcome {
	if relay, foreign := x.foreignRelay(); foreign {
		return silence("came through relay %s from another network", relay)
	}
	switch x.q.Type {
	case Release:
		return x.giveBack(ctx, "released", x.q.CIAddr, x.l.leases.Release)
	case Decline:
		return x.giveBack(ctx, "declined", x.q.Requested, x.l.leases.Decline)
	}
	if ok, reason := mayLease(x.q, x.d, x.l.config.ServeUnknown); !ok {
		return silence("%s", reason)
	}
	switch x.q.Type {
	case Discover:
		return x.discover(ctx)
	case Request:
		return x.request(ctx)
	}
	return x.inform()
}

// giveBack notes an address that a client returns. There is no answer to it.
func (x *exchange) giveBack(ctx context.Context, verb string, a netip.Addr,
	note func(context.Context, net.HardwareAddr, netip.Addr) error) outcome {
	switch {
	case !a.IsValid():
		return silence("%s no address", verb)
	case x.q.ServerID != x.q.Server:
		return silence("%s %s to another server", verb, a)
	}
	if err := note(ctx, x.q.MAC, a); err != nil {
		return failure(fmt.Errorf("note that %s was %s: %w", a, verb, err))
	}
	return silence("%s %s", verb, a)
}

func (x *exchange) discover(ctx context.Context) outcome {
	lease, err := x.l.leases.Offer(ctx, x.leaseRequest(x.q.Requested))
	if err != nil {
		return failure(fmt.Errorf("offer an address of %s to %s: %w", x.l.config.First, x.l.config.Last, err))
	}
	p := x.message(Offer)
	x.addNetwork(p)
	x.addLease(p, lease.Addr)
	return x.answer(Offer, p)
}

func (x *exchange) request(ctx context.Context) outcome {
	state, wanted := x.state()
	switch {
	case state == meaningless:
		return silence("REQUEST names no address")
	case state == selecting && x.q.ServerID != x.q.Server:
		return silence("took the offer of server %s", x.q.ServerID)
	case !x.prefix.Contains(wanted):
		return x.refuse("%s is not on this network", wanted)
	}
	lease, err := x.l.leases.Commit(ctx, x.leaseRequest(wanted))
	switch {
	case err == nil && lease.Addr == wanted:
		return x.grant(wanted)
	case err == nil:
		err = fmt.Errorf("%w: it is to have %s", ErrLeaseTaken, lease.Addr)
	case !refused(err):
		return failure(fmt.Errorf("lease %s: %w", wanted, err))
	}
	// With force another server may serve here too. What was not asked of us
	// alone may be about its lease, so only it may refuse.
	if x.l.config.Force && (state == initReboot || state == rebinding) {
		return silence("%s is not ours to refuse: %v", wanted, err)
	}
	return x.refuse("%s: %v", wanted, err)
}

func (x *exchange) grant(a netip.Addr) outcome {
	p := x.message(ACK)
	p.ClientIPAddr = x.m.ClientIPAddr
	x.addNetwork(p)
	x.addLease(p, a)
	return x.answer(ACK, p)
}

// refuse answers with a NAK, and the client begins anew. Through a relay it is
// broadcast there: the client's address may be of another network.
func (x *exchange) refuse(format string, args ...any) outcome {
	p := x.message(NAK)
	reason := fmt.Sprintf(format, args...)
	p.Options[optMessage] = []byte(reason)
	if x.m.GatewayIPAddr != nil && !x.m.GatewayIPAddr.IsUnspecified() {
		p.SetBroadcast()
	}
	out := x.answer(NAK, p)
	out.reply.Reason = reason
	return out
}

// inform tells a host that has its address from elsewhere the rest.
func (x *exchange) inform() outcome {
	if !x.q.CIAddr.IsValid() {
		return silence("INFORM without an address to answer to")
	}
	p := x.message(ACK)
	p.ClientIPAddr = x.m.ClientIPAddr
	x.addNetwork(p)
	return x.answer(ACK, p)
}

func (x *exchange) leaseRequest(wanted netip.Addr) LeaseRequest {
	c := x.l.config
	r := LeaseRequest{
		MAC: x.q.MAC, Interface: c.Name, First: c.First, Last: c.Last,
		Wanted: wanted, TTL: x.l.leaseTime(), Hostname: x.d.Hostname,
		Exclude: append([]netip.Addr{x.q.Server}, c.DNS...),
	}
	if r.Hostname == "" {
		r.Hostname = x.q.Hostname
	}
	if c.Router.IsValid() {
		r.Exclude = append(r.Exclude, c.Router)
	}
	return r
}

func (l *link) leaseTime() time.Duration {
	if l.config.LeaseTime > 0 {
		return l.config.LeaseTime
	}
	return DefaultLeaseTime
}

// refused reports whether err means that the client cannot have the address,
// and not that we are at fault.
func refused(err error) bool {
	return errors.Is(err, ErrLeaseTaken) || errors.Is(err, ErrOutOfPool) || errors.Is(err, ErrPoolFull)
}
