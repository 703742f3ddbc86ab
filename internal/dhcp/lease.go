package dhcp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
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
	case q.CIAddr.IsValid() && x.in.to == q.Server && !q.Relay.IsValid(): // a relay sends by unicast what came as a broadcast
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
	switch x.q.Type {
	case Release:
		return x.giveBack(ctx, "released", x.q.CIAddr, x.l.leases.Release)
	case Decline:
		return x.giveBack(ctx, "declined", x.q.Requested, x.l.leases.Decline)
	}
	if x.seg == nil {
		reason := x.noSegment()
		x.l.strangers.warn(x, reason)
		return silence("%s", reason)
	}
	if ok, reason := x.mayLease(); !ok {
		return silence("%s", reason)
	}
	switch x.q.Type {
	case Discover:
		return x.offer(ctx)
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
	case !x.named():
		return silence("%s %s to another server", verb, a)
	}
	if err := note(ctx, x.q.MAC, a); err != nil {
		return failure(fmt.Errorf("note that %s was %s: %w", a, verb, err))
	}
	return silence("%s %s", verb, a)
}

// named reports whether the client names us as the server.
func (x *exchange) named() bool {
	return x.q.ServerID.IsValid() && (x.place.ours(x.q.ServerID) || x.q.ServerID == x.relay.override)
}

// noSegment says why a client gets no address of ours.
func (x *exchange) noSegment() string {
	at := x.selector()
	switch {
	case !at.IsValid() && x.q.CIAddr.IsValid():
		return fmt.Sprintf("%s is in no network that we serve on interface %q", x.q.CIAddr, x.l.config.Name)
	case !at.IsValid():
		return fmt.Sprintf("the wire of interface %q itself is not served: write a range: for it", x.l.config.Name)
	case at == x.q.Relay:
		return fmt.Sprintf("came through relay %s, and no network of interface %q has that address", at, x.l.config.Name)
	}
	return fmt.Sprintf("came from network %s, which interface %q does not serve: write it under its subnets:", at, x.l.config.Name)
}

func (x *exchange) request(ctx context.Context) outcome {
	state, wanted := x.state()
	switch {
	case state == meaningless:
		return silence("REQUEST names no address")
	case state == selecting && !x.named():
		return silence("took the offer of server %s", x.q.ServerID)
	case x.seg.network(wanted) == nil:
		return x.refuse("%s is not on this network", wanted)
	}
	// With force another server may serve here too. What was not asked of us
	// alone may be about its lease: without a record of it we are silent, as
	// RFC 2131, 4.3.2 has it, and only that server may refuse.
	others := x.l.config.Force && (state == initReboot || state == rebinding)
	if others && !x.recorded(ctx, wanted) {
		return silence("there is no record of a lease of %s: it is not ours to refuse", wanted)
	}
	lease, err := x.l.leases.Commit(ctx, x.leaseRequest(wanted))
	switch {
	case err == nil && lease.Addr == wanted:
		return x.give(ctx, ACK, wanted)
	case err == nil:
		err = fmt.Errorf("%w: it is to have %s", ErrLeaseTaken, lease.Addr)
	case !refused(err):
		return failure(fmt.Errorf("lease %s: %w", wanted, err))
	}
	if others {
		return silence("%s is not ours to refuse: %v", wanted, err)
	}
	return x.refuse("%s: %v", wanted, err)
}

// recorded reports whether the client has, or had, a lease of that address.
func (x *exchange) recorded(ctx context.Context, a netip.Addr) bool {
	lease, err := x.l.leases.Offer(ctx, x.leaseRequest(a))
	return err != nil || lease.Addr == a && !lease.New // an error is told by what follows
}

// give answers with an address. On a wire with several networks it may lie in
// another than was thought: there the client reaches us by another address.
func (x *exchange) give(ctx context.Context, t MessageType, a netip.Addr) outcome {
	if n := x.seg.network(a); n != nil && n != x.net {
		before := x.q.Server
		x.net = n
		if x.reachedAt(); x.q.Server != before {
			x.d = x.l.policy.Decide(ctx, x.q)
		}
	}
	p := x.message(t)
	if t == ACK {
		p.ClientIPAddr = x.m.ClientIPAddr
	}
	x.addNetwork(p)
	p.YourIPAddr = a.AsSlice()
	out := x.answer(t, p)
	out.reply.Instead = x.instead(a)
	if x.net != nil && x.q.Relay.IsValid() && !x.net.self.IsValid() && x.net.options[optRouter] == nil && x.net.options[optRoutes] == nil {
		out.reply.Routerless = x.net.prefix
	}
	return out
}

// instead says why a is not the address that is kept for the machine.
func (x *exchange) instead(a netip.Addr) string {
	switch own := x.d.Address; {
	case !own.IsValid() || own == a:
		return ""
	case x.seg.network(own) == nil:
		return fmt.Sprintf("is in no network of this link: keep another for it by `bootes machine set %s --address`, or none", x.d.Machine)
	}
	return "is another's, or was found in use: `bootes lease ls` shows it"
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
	switch {
	case !x.q.CIAddr.IsValid():
		return silence("INFORM without an address to answer to")
	case x.seg.network(x.q.CIAddr) == nil:
		return silence("INFORM from %s, which is not on this network", x.q.CIAddr)
	}
	p := x.message(ACK)
	p.ClientIPAddr = x.m.ClientIPAddr
	x.addNetwork(p)
	for _, code := range leaseOptions {
		delete(p.Options, code)
	}
	return x.answer(ACK, p)
}

func (x *exchange) leaseRequest(wanted netip.Addr) LeaseRequest {
	r := LeaseRequest{
		MAC: x.q.MAC, Interface: x.l.config.Name, Subnets: x.seg.subnets, Pools: x.seg.pools,
		Wanted: wanted, TTL: x.net.ttl, Hostname: x.hostname(), Exclude: x.seg.exclude, Look: x.q.Simulated,
	}
	if h, ok := x.host(); ok {
		r.Pools = []Pool{single(h.Addr)}
	}
	if r.Hostname == "" {
		r.Hostname = x.q.Hostname
	}
	return r
}

// host is the client among those that have an address without being machines.
func (x *exchange) host() (h Host, ok bool) {
	if x.seg == nil || x.seg.hosts == nil {
		return h, false
	}
	h, ok = x.seg.hosts[x.q.MAC.String()]
	return h, ok
}

// hostname is the name that the client is told.
func (x *exchange) hostname() string {
	if h, ok := x.host(); ok && x.d.Hostname == "" {
		return h.Name
	}
	return x.d.Hostname
}

// refused reports whether err means that the client cannot have the address,
// and not that we are at fault.
func refused(err error) bool {
	return errors.Is(err, ErrLeaseTaken) || errors.Is(err, ErrOutOfPool) || errors.Is(err, ErrPoolFull)
}
