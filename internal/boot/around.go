package boot

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"bootes.dev/internal/diagnose"
)

// Neighbours is what this server can find out about the networks that it serves.
type Neighbours interface {
	// Ask asks who has addresses, on an interface's wire, and waits for the answers.
	Ask(ctx context.Context, iface string, addrs ...netip.Addr)
	// Claimants are the network cards that have said since then that they have an
	// address, less those of this computer.
	Claimants(a netip.Addr, since time.Time) []net.HardwareAddr
	// Way looks how this server reaches a relay, and waits whether that answers a ping.
	// Its messages come from an address of its own, which may be on our wire.
	Way(ctx context.Context, relay, from netip.Addr) diagnose.Way
	// Serves tries once to connect to a computer, and waits for its answer. One that
	// is outside of the networks that this server serves is not asked.
	Serves(ctx context.Context, at netip.AddrPort) diagnose.Answer
	// Lookup asks the DNS server that a machine on an interface is told by us, if any,
	// for a name. Zero: it has none. The error is one that does not answer.
	Lookup(ctx context.Context, iface string, machine netip.Addr, name string) (a, asked netip.Addr, err error)
}

// maxAsking is for how many boots that have stopped the network is asked at a
// time: when a whole room stops, the others are told what was heard unasked.
const maxAsking = 8

// ask has the network asked for what may keep a from getting on. It takes a part
// of a second.
func (s *Service) ask(ctx context.Context, a *attempt) {
	if s.Neighbours == nil {
		return
	}
	select {
	case s.asking <- struct{}{}:
		defer func() { <-s.asking }()
	default:
		return
	}
	var iface string
	var server, its, relay, from netip.Addr
	served := false
	s.attempts.with(a, func() {
		iface, server, its, relay, from = a.iface, a.server, a.seen.Address(), a.seen.DHCP.Relay, a.from
		served = a.seen.DHCP.Network.IsValid()
	})
	if relay.IsValid() {
		if !served { // anybody may name any address for a relay's
			return
		}
		w := s.Neighbours.Way(ctx, relay, from)
		s.attempts.with(a, func() { a.seen.Way = w })
		return
	}
	s.attempts.with(a, func() { a.askedAt = time.Now() })
	s.Neighbours.Ask(ctx, iface, server, its)
}

// conflict is who else has the machine's address, or ours.
func (s *Service) conflict(ctx context.Context, a *attempt) (x diagnose.Conflict) {
	if s.Neighbours == nil {
		return x
	}
	var since, asked time.Time
	var iface string
	var server, its netip.Addr
	var own []string
	s.attempts.with(a, func() {
		iface, since, asked, server, its, own = a.iface, a.opened, a.askedAt, a.server, a.seen.Address(), slices.Clone(a.cards)
	})
	if m, err := s.Inventory.Machine(ctx, a.subject); err == nil {
		own = append(own, m.MACs...)
	}
	for _, mac := range s.Neighbours.Claimants(its, since) {
		if !slices.Contains(own, mac.String()) {
			x.Machine = append(x.Machine, s.card(ctx, mac))
		}
	}
	for _, mac := range s.Neighbours.Claimants(server, since) {
		// Who answers for both does so for others: a router with proxy ARP.
		if d := s.card(ctx, mac); slices.Contains(x.Machine, d) {
			x.Machine = slices.DeleteFunc(x.Machine, func(o diagnose.Card) bool { return o == d })
		} else {
			x.Server = append(x.Server, d)
			s.usurped(iface, server, d)
		}
	}
	x.Alive = !asked.IsZero() && slices.ContainsFunc(s.Neighbours.Claimants(its, asked), func(mac net.HardwareAddr) bool { return slices.Contains(own, mac.String()) })
	return x
}

// usurped tells all boots of a network that another computer has our address there,
// once: anybody can say so by ARP, with ever new MAC addresses.
func (s *Service) usurped(iface string, server netip.Addr, by diagnose.Card) {
	what := fmt.Sprintf("another computer has this server's address, %s: ", server)
	if slices.ContainsFunc(s.warnings.of(iface, s.now()), func(text string) bool { return strings.HasPrefix(text, what) }) {
		return
	}
	text := fmt.Sprintf("%sits network card is %s. Remedy: find it by its MAC in the switches' tables, and take that address from it", what, by)
	s.Log.Warn("another computer has this server's address", "interface", iface, "address", server, "mac", by.MAC, "remedy", "find it by its MAC in the switches' tables, and take that address from it")
	s.NetworkWarning(iface, text)
}

// card is a network card, with the machine that it is known by.
func (s *Service) card(ctx context.Context, mac net.HardwareAddr) diagnose.Card {
	d := diagnose.Card{MAC: mac.String()}
	if m, err := s.Inventory.MachineByMAC(ctx, d.MAC); err == nil {
		d.Machine = m.Name
	}
	return d
}
