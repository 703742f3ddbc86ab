package dhcp

import (
	"net/netip"
	"sync"

	"github.com/insomniacslk/dhcp/dhcpv4"
)

// Sub-options of option 82, the relay agent's information.
const (
	subLinkSelection    = 5  // RFC 3527
	subServerIDOverride = 11 // RFC 5107
)

// relayAgent is what a relay says of a client. Its other sub-options are
// returned to it and mean nothing to us.
type relayAgent struct {
	link     netip.Addr // the network to choose an address from, in place of giaddr's
	override netip.Addr // the server identifier that the client shall see
}

// relayOf reads option 82. Without giaddr no relay of ours has seen the
// message, and the option may be the client's own (RFC 3046, 2.1).
//
//	┌────┬─────┬────┬─────┬──────────┬────┬─────┬──────────┬───
//	│ 82 │ len │ 5  │ 4   │ link     │ 11 │ 4   │ override │ …
//	└────┴─────┴────┴─────┴──────────┴────┴─────┴──────────┴───
func relayOf(m *dhcpv4.DHCPv4) (r relayAgent) {
	b := m.Options[optRelayAgent]
	if !addr(m.GatewayIPAddr.To4()).IsValid() {
		return r
	}
	for len(b) >= 2 && len(b) >= 2+int(b[1]) {
		switch value := b[2 : 2+int(b[1])]; b[0] {
		case subLinkSelection:
			r.link = addr(value)
		case subServerIDOverride:
			r.override = addr(value)
		}
		b = b[2+int(b[1]):]
	}
	return r
}

// maxStrangers bounds how many relays are told of.
const maxStrangers = 64

// strangers are the relays, or networks behind them, that we do not serve.
type strangers struct {
	mu   sync.Mutex
	seen map[netip.Addr]bool
}

// warn tells the operator once of each: somebody made that relay send to us.
func (s *strangers) warn(x *exchange, reason string) {
	at := x.selector()
	s.mu.Lock()
	told := s.seen[at] || len(s.seen) >= maxStrangers || !at.IsValid()
	if !told {
		if s.seen == nil {
			s.seen = map[netip.Addr]bool{}
		}
		s.seen[at] = true
	}
	s.mu.Unlock()
	if !told {
		x.l.log.Warn("no answer to a relayed client", "mac", x.q.MAC.String(), "reason", reason)
	}
}
