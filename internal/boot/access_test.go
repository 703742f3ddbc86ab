package boot

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"bootes.dev/internal/inventory"
	"bootes.dev/internal/loaders"
)

// rule changes pc1's access rules.
func (h *house) rule(a inventory.Access) {
	h.t.Helper()
	_, err := h.Inventory.SetMachine(h.t.Context(), "pc1", func(m *inventory.Machine) error { m.Access = a; return nil })
	if err != nil {
		h.t.Fatal(err)
	}
}

// Who has the secret of a boot opens its machine's disk only under that
// machine's name and where its rules let it, finds its target only then, and is
// told in the timeline what would let it in.
func TestAccessRules(t *testing.T) {
	h := newHouse(t)
	h.discover(mac1, loaders.BIOS, true)
	user, _ := h.script(mac1, addr1)
	own, other := prefix+":init:pc1", "iqn.1991-05.com.microsoft:pc1"
	nets := func(l ...string) (p []netip.Prefix) {
		for _, s := range l {
			p = append(p, netip.MustParsePrefix(s))
		}
		return p
	}
	far := netip.MustParseAddr("192.168.9.9")
	for _, tt := range []struct {
		name   string
		access inventory.Access
		as     string
		target string
		from   netip.Addr
		want   string // refusal; "": let in
	}{
		{"no rules", inventory.Access{}, own, "pc1", far, ""},
		{"another's target", inventory.Access{}, own, "pc2", addr1,
			"these are credentials of pc1, for " + prefix + ":pc1 only"},
		{"no such target", inventory.Access{}, own, "pc9", addr1,
			"these are credentials of pc1, for " + prefix + ":pc1 only"},
		{"another's name", inventory.Access{}, prefix + ":init:pc2", "pc1", addr1,
			prefix + `:init:pc2 is not the initiator name of pc1, nor one that its rule "initiator" names: ` +
				"`bootes machine set pc1 --initiator " + prefix + ":init:pc2` lets it in"},
		{"a name that is a command", inventory.Access{}, "$(reboot)'`x`", "pc1", addr1,
			"$(reboot)'`x` is not the initiator name of pc1, nor one that its rule \"initiator\" names: " +
				"`bootes machine set pc1 --initiator '$(reboot)'\\''`x`'` lets it in"},
		{"a name beside it", inventory.Access{Initiators: []string{other}}, other, "pc1", addr1, ""},
		{"its own beside that", inventory.Access{Initiators: []string{other}}, own, "pc1", addr1, ""},
		{"not that name", inventory.Access{Initiators: []string{"iqn.x:y"}}, other, "pc1", addr1,
			other + ` is not the initiator name of pc1, nor one that its rule "initiator" names: ` +
				"`bootes machine set pc1 --initiator " + other + ",iqn.x:y` lets it in"},
		{"in the network", inventory.Access{From: nets("10.0.0.0/24", "10.77.0.0/16")}, own, "pc1", addr1, ""},
		{"not in the networks", inventory.Access{From: nets("10.0.0.0/24", "10.77.0.101/32")}, own, "pc1", addr2,
			`10.77.0.102 is not in what the rule "from" of pc1 names, 10.0.0.0/24,10.77.0.101: ` +
				"`bootes machine set pc1 --from 10.0.0.0/24,10.77.0.101,10.77.0.102` lets it in"},
		{"at its address", inventory.Access{Lease: true}, own, "pc1", addr1, ""},
		{"at another's address", inventory.Access{Lease: true}, own, "pc1", addr2,
			`10.77.0.102, which is 52:54:00:00:00:02, is not the address of pc1 (52:54:00:00:00:01), which its rule "lease" asks for: ` +
				"`bootes machine set pc1 --lease=false` ends that"},
		{"at nobody's address", inventory.Access{Lease: true}, own, "pc1", far,
			`192.168.9.9, whose MAC is unknown, is not the address of pc1 (52:54:00:00:00:01), which its rule "lease" asks for: ` +
				"`bootes machine set pc1 --lease=false` ends that"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h.rule(tt.access)
			in := Initiator{Name: tt.as, Target: prefix + ":" + tt.target, Remote: tt.from}
			_, err := h.Admit(t.Context(), in, user)
			var d *Denied
			switch {
			case tt.want == "" && err != nil:
				t.Error(err)
			case tt.want != "" && (!errors.As(err, &d) || d.Reason != tt.want):
				t.Errorf("%v\nwant %s", err, tt.want)
			}
			if tt.target != "pc1" {
				return
			}
			in.Target = ""
			visible := h.Visible(t.Context(), in, user)
			if tt.want == "" && !slices.Equal(visible, []string{prefix + ":pc1"}) || tt.want != "" && len(visible) > 0 {
				t.Errorf("visible: %v", visible)
			}
			if tt.want != "" && !said(h, mac1, tt.want) {
				t.Errorf("the timeline does not say why nothing is shown")
			}
		})
	}
	if got := h.Visible(t.Context(), initiatorOf(user), "nobody-1"); got != nil {
		t.Errorf("visible to nobody: %v", got)
	}
}

// Behind a router the neighbour table knows nobody: there the lease counts.
func TestLeaseBehindRouter(t *testing.T) {
	h := newHouse(t)
	h.discover(mac1, loaders.BIOS, true)
	user, _ := h.script(mac1, addr1)
	h.rule(inventory.Access{Lease: true})
	far := netip.MustParseAddr("10.99.0.10")
	lease := func(mac string) {
		hw, _ := net.ParseMAC(mac)
		_, err := h.Inventory.Commit(t.Context(), inventory.LeaseRequest{
			MAC: hw, Interface: "br0", Subnets: []netip.Prefix{netip.MustParsePrefix("10.99.0.0/24")},
			Pools: []inventory.Pool{{First: far, Last: far}}, Wanted: far, TTL: 1 << 40})
		if err != nil {
			t.Fatal(err)
		}
	}
	in := initiatorOf(user)
	in.Remote = far
	lease(mac1)
	if _, err := h.Admit(t.Context(), in, user); err != nil {
		t.Error(err)
	}
	if err := h.Inventory.Release(t.Context(), parseMAC(mac1), far); err != nil {
		t.Fatal(err)
	}
	lease(mac2)
	if _, err := h.Admit(t.Context(), in, user); err == nil || !strings.Contains(err.Error(), "10.99.0.10, which is leased to "+mac2+", is not the address of pc1") {
		t.Error(err)
	}
}
