//go:build e2e && full

package e2e

import (
	"syscall"
	"testing"
	"time"

	"bootes.dev/internal/api"
	"bootes.dev/internal/lab"
)

// TestLongOutage leaves the server away, under guests that write, for longer
// than the 120 s after which Linux gives a disk up if nobody tells it
// otherwise. Their writes wait, and none fails.
func TestLongOutage(t *testing.T) {
	const length = 150 * time.Second
	f := newFixture(t, serverMode)
	guests := []*guest{
		f.guest("pc1", "52:54:00:00:00:01", api.Persistent, lab.BIOS),
		f.guest("pc2", "52:54:00:00:00:02", api.Ephemeral, lab.UEFI),
	}
	boot(t, guests...)
	for _, g := range guests {
		g.startLoad()
	}
	stuck := map[*guest]int{}
	outage(t, f, syscall.SIGKILL, func() {
		const settle = 10 * time.Second
		time.Sleep(settle)
		for _, g := range guests {
			stuck[g] = g.loaded()
		}
		time.Sleep(length - settle)
		for _, g := range guests {
			if now := g.loaded(); now != stuck[g] {
				t.Errorf("%s had written %d files early in the outage and %d at its end", g.Name(), stuck[g], now)
			}
		}
	}, guests...)
	back := time.Now()
	for _, g := range guests {
		g.loadBeyond(stuck[g], 2*time.Minute)
		t.Logf("%s goes on %.0f s after the server's start", g.Name(), time.Since(back).Seconds())
	}
	for _, g := range guests {
		g.loadBeyond(stuck[g]+5, time.Minute)
		t.Logf("%s has written %d files, %d of them before the outage", g.Name(), g.endLoad(), stuck[g])
		g.noErrors()
		g.want("systemctl is-active iscsid", "active")
		g.want("findmnt -no OPTIONS / | cut -c 1-3", "rw,")
	}
}
