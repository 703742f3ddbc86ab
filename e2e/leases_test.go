//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"bootes.dev/internal/api"
	"bootes.dev/internal/lab"
	"bootes.dev/internal/lab/room"
)

// TestLeasesOfKilledServer: a server is killed five times while thousands ask for
// addresses. Each address that a client was told is its own then and later, and
// was told to nobody else.
func TestLeasesOfKilledServer(t *testing.T) {
	server := netip.MustParsePrefix("10.77.0.1/16")
	f := prepareIn(t, server, `
  - name: br0
    dhcp: server
    range: 10.77.1.0-10.77.127.255
    serve_unknown: true
    conflicts: off
    lease: 1h
`)
	f.serve()
	relay := netip.MustParseAddr("10.77.0.254")
	host, err := f.Net.NewHost("52:54:00:00:00:fe", relay)
	if err != nil {
		t.Fatal(err)
	}
	w := &word{t: t, addr: map[string]netip.Addr{}, mac: map[netip.Addr]string{}}
	tool := labTool(t)
	const rate, seconds = 2000, 2
	for round := range 5 {
		waitUntil(t, "DHCP", func() bool { return f.logged("msg=ready") == round+1 })
		// Half of the clients have an address from the round before.
		load := room.Load{Server: server.Addr(), Relay: relay, Rate: rate, Seconds: seconds, Clients: rate * seconds, First: round * rate * seconds / 2, Keep: true}
		ended := make(chan room.Figures, 1)
		go func() { ended <- exchanges(t, host, tool, load) }()
		time.Sleep(800*time.Millisecond + time.Duration(round)*250*time.Millisecond)
		f.end(syscall.SIGKILL)
		told := <-ended
		t.Logf("round %d: %d clients asked, %d were told an address", round, told.Begun, len(told.Acknowledged))
		if n := len(told.Acknowledged); n < 100 || n == told.Begun {
			t.Errorf("that is no load, or nobody was killed under it")
		}
		w.note(told.Acknowledged)
		f.serve()
		var leases []api.Lease
		f.json(&leases, "lease", "ls")
		w.check(leases)
	}
}

func exchanges(t *testing.T, host *lab.Host, tool string, load room.Load) (f room.Figures) {
	o, err := json.Marshal(load)
	if err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
	defer cancel()
	out, err := host.Run(ctx, tool, "exchange", string(o))
	if err != nil {
		err = fmt.Errorf("%w: %s", err, out)
	} else {
		err = json.Unmarshal(out, &f)
	}
	if err != nil {
		t.Error(err)
	}
	return f
}

// word is what clients were told.
type word struct {
	t    *testing.T
	addr map[string]netip.Addr // by MAC
	mac  map[netip.Addr]string
}

func (w *word) note(told map[string]netip.Addr) {
	for mac, addr := range told {
		if before, ok := w.addr[mac]; ok && before != addr {
			w.t.Errorf("%s had %s, and was told %s", mac, before, addr)
		}
		if before, ok := w.mac[addr]; ok && before != mac {
			w.t.Errorf("%s was told to %s, and to %s", addr, before, mac)
		}
		w.addr[mac], w.mac[addr] = addr, mac
	}
}

// check compares it with the server's records.
func (w *word) check(leases []api.Lease) {
	on := map[string]api.Lease{}
	for _, l := range leases {
		if twin, ok := on[l.Address]; ok {
			w.t.Errorf("%s is on record for %s and for %s", l.Address, twin.MAC, l.MAC)
		}
		on[l.Address] = l
	}
	lost := 0
	for addr, mac := range w.mac {
		if l := on[addr.String()]; l.MAC != mac || l.State != "bound" {
			if lost++; lost <= 10 {
				w.t.Errorf("%s was told to %s; on record it is %s's and %s", addr, mac, l.MAC, l.State)
			}
		}
	}
	if lost > 0 {
		w.t.Errorf("%d of %d leases are lost", lost, len(w.mac))
	}
}
