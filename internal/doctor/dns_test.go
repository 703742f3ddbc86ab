package doctor

import (
	"context"
	"errors"
	"net/netip"
	"testing"

	"bootes.dev/internal/config"
)

func TestJudgeDNS(t *testing.T) {
	a := netip.MustParseAddr("10.0.0.53")
	got := judgeDNS([]nameServer{{a, "eth0", nil}, {a, "eth1", errors.New("i/o timeout")}})
	want := []Finding{
		{"DNS servers", OK, "10.0.0.53, which machines on eth0 are told, answers", ""},
		{"DNS servers", Warn, "10.0.0.53, which machines on eth1 are told (dns:), does not answer this server: their systems wait for it, and find nobody by name",
			"switch it on, let udp/53 from here through, or put the right address into dns: of eth1 in the config"},
	}
	if len(got) != len(want) || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("%+v", got)
	}
}

// TestLookAtDNS: each is asked once, and those of a proxy are not ours to tell.
func TestLookAtDNS(t *testing.T) {
	nobody := netip.MustParseAddr("127.0.0.1") // nothing listens on udp/53 of it, or it answers
	o := Options{Config: &config.Config{Interfaces: []config.Interface{
		{Name: "eth0", DHCP: config.Server, Subnet: config.Subnet{DNS: []netip.Addr{nobody}}, Subnets: []config.Subnet{{DNS: []netip.Addr{nobody}}}},
		{Name: "eth1", DHCP: config.Proxy, Subnet: config.Subnet{DNS: []netip.Addr{nobody}}},
	}}}
	if all := o.lookAtDNS(context.Background()); len(all) != 1 || all[0].addr != nobody || all[0].iface != "eth0" {
		t.Errorf("%+v", all)
	}
}
