package capture

import (
	"bytes"
	"context"
	"net"
	"net/netip"
	"testing"
	"time"

	"bootes.dev/internal/netif/nettest"
)

func TestClaims(t *testing.T) {
	c := open(t, t.TempDir())
	printer := MAC{0x00, 0x1b, 0xa9, 0x40, 0x11, 0x0d}
	claimants := func(a netip.Addr, since time.Time) (all []MAC) {
		for _, mac := range c.Claimants(a, since) {
			all = append(all, MAC(mac))
		}
		return all
	}
	for i, tt := range []struct {
		name  string
		out   bool
		frame []byte
		want  int // claimants of pcAt
	}{
		{"a probe", false, arp(printer, all, 1, netip.IPv4Unspecified(), pcAt), 0},
		{"our own question", true, arp(server, all, 1, pcAt, ourAt), 0},
		{"from a group", false, arp(all, all, 2, pcAt, ourAt), 0},
		{"cut off", false, arp(printer, all, 1, pcAt, ourAt)[:30], 0},
		{"an answer", false, arp(pc, server, 2, pcAt, ourAt), 1},
		{"an answer again", false, arp(pc, server, 2, pcAt, ourAt), 1},
		{"a question of another", false, arp(printer, all, 1, pcAt, ourAt), 2},
	} {
		c.take(start.Add(time.Duration(i)), tt.out, tt.frame)
		if got := claimants(pcAt, start); len(got) != tt.want {
			t.Errorf("%s: %v, want %d", tt.name, got, tt.want)
		}
	}
	if got := claimants(pcAt, start.Add(6)); len(got) != 1 || got[0] != printer {
		t.Errorf("lately: %v", got)
	}
	for i := range byte(2 * maxClaimants) {
		c.take(start, false, arp(MAC{0, 0, 0, 0, 1, i}, all, 1, ourAt, pcAt))
	}
	if got := claimants(ourAt, start); len(got) != maxClaimants || got[maxClaimants-1] != (MAC{0, 0, 0, 0, 1, 2*maxClaimants - 1}) {
		t.Errorf("of many: %v", got)
	}
}

// Linux answers for its address, and for one that is this computer's, too.
func TestWhoHasOnTheWire(t *testing.T) {
	if !nettest.Enter(t) {
		return
	}
	nettest.Bridge(t, "br0", "10.77.0.1/24")
	nettest.Join(t, "br0", pc.String(), "10.77.0.50/24")
	nettest.Join(t, "br0", "00:1b:a9:40:11:0d", "10.77.0.1/24")
	o := options(t.TempDir())
	o.Interfaces = []string{"br0"}
	c, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- c.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	since := time.Now()
	for _, tt := range []struct{ addr, want string }{{"10.77.0.50", pc.String()}, {"10.77.0.1", "00:1b:a9:40:11:0d"}} {
		a, want := netip.MustParseAddr(tt.addr), tt.want
		hw, _ := net.ParseMAC(want)
		var got []net.HardwareAddr
		for end := time.Now().Add(5 * time.Second); len(got) == 0 && time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
			c.WhoHas("none0", a)
			c.WhoHas("br0", a, netip.Addr{})
			got = c.Claimants(a, since)
		}
		if len(got) != 1 || !bytes.Equal(got[0], hw) {
			t.Errorf("%s is claimed by %v, want %s", a, got, want)
		}
	}
}
