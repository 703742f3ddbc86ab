package dhcp

import (
	"context"
	"slices"
	"testing"

	"github.com/insomniacslk/dhcp/dhcpv4"
)

func TestSimulatedID(t *testing.T) {
	for id, want := range map[string]struct {
		ticket string
		ok     bool
	}{
		string(SimulatedID("")):        {"", true},
		string(SimulatedID("abc")):     {"abc", true},
		"\x00bootes-simulate:":         {"", true},
		"\x00bootes-simulated":         {"d", false},
		"\x01\x52\x54\x00\x00\x00\x01": {"", false},
		"":                             {"", false},
		"\x00bootes-simulat":           {"", false},
	} {
		if ticket, ok := simulated([]byte(id)); ok != want.ok || ok && ticket != want.ticket {
			t.Errorf("%q: %q, %v", id, ticket, ok)
		}
	}
}

// looks notes which offers hold nothing.
type looks struct {
	*pool
	looked []bool
}

func (l *looks) Offer(ctx context.Context, r LeaseRequest) (Lease, error) {
	l.looked = append(l.looked, r.Look)
	return l.pool.Offer(ctx, r)
}

func TestSimulatedClientsHoldNothing(t *testing.T) {
	policy, leases := known(), &looks{pool: newPool()}
	l := testLink(serverConfig(), policy, leases)
	for _, id := range [][]byte{nil, SimulatedID("ticket")} {
		s := say{t: Discover, class: classEFI, options: dhcpv4.Options{}}
		if id != nil {
			s.options[optClientID] = id
		}
		if p, _ := ask(t, l, s.datagram()); p == nil {
			t.Errorf("%q: silence", id)
		}
	}
	if !slices.Equal(leases.looked, []bool{false, true}) {
		t.Errorf("looked %v", leases.looked)
	}
	if q := policy.sent[1].q; !q.Simulated || q.Simulation != "ticket" || policy.sent[0].q.Simulated {
		t.Errorf("%+v", q)
	}
}
