package inventory

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"bootes.dev/internal/store"
)

const (
	killDir     = "INVENTORY_TEST_DIR"
	killClients = 32
)

// TestKilledServerKeepsLeases: every lease that was acknowledged is on record after
// the process was killed in the midst of its work, and no address has two owners.
func TestKilledServerKeepsLeases(t *testing.T) {
	if dir := os.Getenv(killDir); dir != "" {
		leaseForever(dir)
		return
	}
	dir := t.TempDir()
	acknowledged := map[string]string{} // address → MAC
	for round := range 5 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestKilledServerKeepsLeases$")
		cmd.Env = append(os.Environ(), killDir+"="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); n++ {
			var addr, mac string
			if _, err := fmt.Sscan(lines.Text(), &addr, &mac); err != nil {
				t.Fatalf("round %d: %s", round, lines.Text())
			}
			if owner := acknowledged[addr]; owner != "" && owner != mac {
				t.Errorf("%s belongs to %s and %s", addr, owner, mac)
			}
			acknowledged[addr] = mac
			if n == 400+round*100 {
				cmd.Process.Kill() // what it still says counts, too
			}
		}
		cmd.Wait()
	}
	s, err := store.Open(t.Context(), store.Options{Dir: filepath.Join(dir, "s"), ReserveBytes: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	all, err := New(s).Leases(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	onRecord := map[string]string{}
	for _, l := range all {
		onRecord[l.Addr.String()] = l.MAC
	}
	for addr, mac := range acknowledged {
		if onRecord[addr] != mac {
			t.Errorf("%s was acknowledged to %s, on record it is %q's", addr, mac, onRecord[addr])
		}
	}
	t.Logf("%d leases acknowledged, %d on record", len(acknowledged), len(all))
}

// leaseForever serves many clients at once and says what each has.
func leaseForever(dir string) {
	s, err := store.Open(context.Background(), store.Options{Dir: filepath.Join(dir, "s"), ReserveBytes: -1})
	if err != nil {
		fmt.Println("-", err)
		return
	}
	in := New(s)
	said := make(chan string)
	for n := range killClients {
		go func() {
			for i := n; ; i += killClients {
				q := LeaseRequest{MAC: mac(i), Subnets: subnets("10.0.0.0/16"), Pools: pools("10.0.0.0", "10.0.255.255"), TTL: time.Hour}
				l, err := in.Offer(context.Background(), q)
				if err == nil {
					q.Wanted = l.Addr
					l, err = in.Commit(context.Background(), q)
				}
				if err != nil {
					fmt.Println("-", err)
					os.Exit(1)
				}
				said <- fmt.Sprint(l.Addr, " ", l.MAC)
			}
		}()
	}
	for line := range said {
		fmt.Println(line)
	}
}
