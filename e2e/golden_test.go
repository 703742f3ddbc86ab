//go:build e2e

package e2e

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bootes.dev/internal/api"
	"bootes.dev/internal/lab"
)

// TestGolden is the life of a golden image: a machine runs on a writable copy
// of it, what it has changed becomes the next version, a tag takes the others
// there at their next boot, and back. Beside it a persistent machine goes
// through snapshot, rollback and restore.
func TestGolden(t *testing.T) {
	t.Parallel()
	f := newFixture(t, serverMode)
	before := f.imageHash()
	f.cli("image", "tag", "debian:stable", imageRef)
	pc1 := f.guest("pc1", "52:54:00:00:00:01", api.Persistent, lab.BIOS)
	pc2 := f.guest("pc2", "52:54:00:00:00:02", api.Ephemeral, lab.BIOS)
	for _, g := range []*guest{pc1, pc2} {
		f.cli("machine", "set", g.Name(), "--image", "debian:stable")
	}
	f.cli("image", "update", imageRef, "--machine", "pc2")
	boot(t, pc1, pc2)

	backup := filepath.Join(t.TempDir(), "pc1.backup")
	t.Run("a snapshot of a running machine", func(t *testing.T) {
		during(t, f, pc1)
		pc1.run("echo first > /root/mark && sync")
		pc1.startLoad()
		f.cli("volume", "snapshot", "pc1", "first")
		pc1.loadBeyond(pc1.loaded()+3, bootTime)
		pc1.endLoad()
		pc1.run("echo second > /root/mark && sync")
		if got := f.cli("volume", "cat", "pc1@first:/root/mark"); got != "first\n" {
			t.Errorf("the mark in the snapshot is %q", got)
		}
		f.cli("volume", "backup", "pc1@first", backup)
		pc1.noErrors()
		var d api.Diff
		f.json(&d, "volume", "diff", "pc1")
		if d.Changed == 0 || len(d.Partitions) == 0 {
			t.Errorf("volume diff of a machine that has written: %+v", d)
		}
	})

	t.Run("the next version is made", func(t *testing.T) {
		during(t, f, pc2)
		pc2.want("hostname", "golden")
		pc2.run("echo 13 > /etc/release-mark && sync")
		pc2.shutDown()
		f.cli("image", "publish", "pc2", "debian:13", "--tag", "debian:stable")
		if got := f.cli("image", "cat", "debian:13:/etc/release-mark"); got != "13\n" {
			t.Errorf("the mark in the new version is %q", got)
		}
		f.cli("image", "verify", "debian:13")
		var h []api.HistoryLine
		f.json(&h, "image", "history", "debian:13")
		if len(h) < 2 || h[0].Image != "debian:13" || h[len(h)-1].Image != imageRef {
			t.Errorf("history of debian:13: %+v", h)
		}
	})

	pc1.shutDown()
	f.cli("volume", "rollback", "pc1", "first")
	boot(t, pc1, pc2)
	own := pc2.run(identityCommand)
	t.Run("the tag moves who starts afresh", func(t *testing.T) {
		during(t, f, pc1, pc2)
		pc2.want("cat /etc/release-mark", "13")
		if key := f.cli("image", "cat", "debian:13:/etc/ssh/ssh_host_ed25519_key.pub"); strings.Contains(own, strings.Fields(key)[1]) {
			t.Errorf("the image holds the host key of pc2: %s", key)
		}
		pc1.want("cat /root/mark; test -e /etc/release-mark || echo old", "first\nold")
		pc1.noErrors()
		if len(f.events("pc1", "debian:13")) == 0 {
			t.Errorf("pc1 is not told of the newer version:\n%s", f.cli("boot", "log", "pc1"))
		}
		if v := f.volume("pc1"); v.Newer != "debian:13" {
			t.Errorf("volume of pc1 has newer %q, want debian:13", v.Newer)
		}
	})

	pc1.shutDown()
	pc2.PowerOff()
	f.cli("image", "tag", "debian:stable", imageRef)
	f.cli("volume", "rm", "pc1")
	f.cli("volume", "restore", "pc1", backup)
	boot(t, pc1, pc2)
	t.Run("the tag moves back", func(t *testing.T) {
		during(t, f, pc1, pc2)
		pc2.want("test -e /etc/release-mark || echo old", "old")
		pc2.want(identityCommand, own)
		pc1.want("cat /root/mark", "first")
		pc1.noErrors()
	})
	if after := f.imageHash(); after != before {
		t.Errorf("hash of the layer's files was %s, is %s", before, after)
	}
	f.checkSpace()
}

// checkSpace checks that df shows the blocks of debian:12 once, as what both
// images share, and of debian:13 little more.
func (f *fixture) checkSpace() {
	f.t.Helper()
	var s api.Space
	f.json(&s, "df")
	if len(s.Images) != 2 {
		f.t.Fatalf("df shows %d images, want 2: %+v", len(s.Images), s)
	}
	old, next := s.Images[0], s.Images[1]
	if old.Own != 0 || old.Shared == 0 || next.Shared != old.Shared || next.Own == 0 || next.Own > old.Shared/4 {
		f.t.Errorf("df: %+v and, made of it, %+v", old, next)
	}
}

// shutDown switches the guest off in good order. The server is told nothing.
func (g *guest) shutDown() {
	g.t.Helper()
	g.run("sync; (sleep 1; systemctl poweroff) > /dev/null 2>&1 &")
	select {
	case <-g.Done():
	case <-time.After(2 * time.Minute):
		g.t.Fatalf("%s does not switch itself off; its console:\n%s", g.Name(), g.Console().Tail(20))
	}
	g.PowerOff()
}
