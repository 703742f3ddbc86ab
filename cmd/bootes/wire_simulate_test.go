package main

import (
	"bytes"
	"errors"
	"io/fs"
	"maps"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bootes.dev/internal/api"
	"bootes.dev/internal/boot"
	"bootes.dev/internal/dhcp"
	peer "bootes.dev/internal/initiator"
)

// settled are the files of a folder, once nobody writes to them.
func settled(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	all := stored(t, dir)
	for range 50 {
		time.Sleep(200 * time.Millisecond)
		now := stored(t, dir)
		if maps.EqualFunc(all, now, bytes.Equal) {
			return now
		}
		all = now
	}
	t.Fatal("the store does not come to rest")
	return nil
}

// stored are all files of a folder but etcd's database, which etcd writes when it
// likes: what it holds is in etcd's log first, which is among them.
func stored(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || strings.HasSuffix(path, "/snap/db") {
			return err
		}
		all[path], err = os.ReadFile(path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// setting is what a script sets a setting to.
func setting(text, name string) string {
	_, rest, _ := strings.Cut(text, "set "+name+" ")
	v, _, _ := strings.Cut(rest, "\n")
	return v
}

// simulated logs in by the script of a simulation.
func (s *servedTarget) simulated(text string) *peer.Session {
	s.t.Helper()
	_, target, _ := strings.Cut(text, "sanboot iscsi:127.0.0.1:::0:")
	target, _, _ = strings.Cut(target, " ||")
	sess, err := peer.Dial(s.t.Context(), s.addr, peer.Options{
		Initiator: setting(text, "initiator-iqn"), Target: target, User: setting(text, "username"), Secret: setting(text, "password"),
		ReverseUser: setting(text, "reverse-username"), ReverseSecret: setting(text, "reverse-password"),
	})
	s.ok(err)
	s.t.Cleanup(func() { sess.Close() })
	return sess
}

// A machine is simulated from DISCOVER to its disk while it runs, and while it is
// off. It must not notice, and nothing must be left.
func TestSimulationLeavesNoTrace(t *testing.T) {
	s := newServed(t)
	ctx := t.Context()
	content := bytes.Repeat([]byte{1}, 4<<20)
	s.image("debian:12", false, content)
	s.add("pc01", 1)
	running := s.run("pc01")
	disk := running.disk(0)
	s.ok(disk.WriteAt(ctx, bytes.Repeat([]byte{2}, 4096), 0))
	s.add("pc02", 2)
	off := s.run("pc02")
	s.ok(off.disk(0).WriteAt(ctx, bytes.Repeat([]byte{3}, 4096), 0))
	s.ok(off.Logout(ctx))
	s.add("pc03", 3)
	eventually(t, "pc02 is off", func() bool { owner, _ := s.targets.Holder(s.boot.Target("pc02")); return owner == "" })

	eventually(t, "the image has its digest", func() bool {
		i, err := s.Image(ctx, "debian:12")
		return err == nil && i.Hashed
	})
	before := settled(t, s.cfg.Data)
	policy := dhcpPolicy{s.boot, s.locator, s.counters}
	var macs []string
	for _, name := range []string{"01", "02", "03"} {
		macs = append(macs, "52:54:00:00:00:"+name)
	}
	sim, err := s.Simulate(ctx, api.NewSimulation{MACs: macs})
	s.ok(err)
	var stays *peer.Session
	for i, first := range []byte{2, 3, 1} {
		mac, _ := net.ParseMAC(macs[i])
		q := dhcp.Query{
			Interface: "br0", Server: netip.MustParseAddr("127.0.0.1"), Type: dhcp.Discover, MAC: mac, IPXE: true, NetBoot: true,
			Firmware: dhcp.BIOS, Simulated: true, Simulation: sim.ID,
		}
		d := policy.Decide(ctx, q)
		policy.Sent(q, dhcp.Reply{Decision: d, Type: dhcp.Offer, Boot: true})
		text, err := s.boot.Script(ctx, boot.Asker{MAC: mac, Remote: q.Server, Local: q.Server, Facts: map[string][]string{"simulate": {sim.Ticket}}})
		s.ok(err)
		sess := s.simulated(text)
		look, err := sess.Disk(ctx, 0)
		s.ok(err)
		p := make([]byte, 4096)
		s.ok(look.ReadAt(ctx, p, 0))
		if p[0] != first || look.Size() != int64(len(content)) {
			t.Errorf("%s: first byte %d, %d bytes", macs[i], p[0], look.Size())
		}
		var status *peer.StatusError
		if err := look.WriteAt(ctx, p, 0); !errors.As(err, &status) {
			t.Errorf("%s: a write: %v", macs[i], err)
		}
		if _, err := sess.Disk(ctx, 1); err == nil {
			t.Errorf("%s: its identity can be read", macs[i])
		}
		if i > 0 { // the first is still there when the simulation ends
			s.ok(sess.Logout(ctx))
			continue
		}
		stays = sess
	}
	if _, err := s.Simulate(ctx, api.NewSimulation{MACs: []string{"x"}}); err == nil || err.Error() != `"x" is no MAC address` {
		t.Errorf("no MAC: %v", err)
	}
	remarks, err := s.Remarks(ctx, sim.ID)
	s.ok(err)
	if len(remarks) != 6 || remarks[0] != "OFFER, boot file http://127.0.0.1/ipxe/52-54-00-00-00-01" ||
		!strings.HasPrefix(remarks[1], "script made: debian:12, persistent volume pc01-") {
		t.Errorf("remarks %q", remarks)
	}
	s.ok(s.EndSimulation(ctx, sim.ID))
	select {
	case <-stays.Done():
	case <-time.After(5 * time.Second):
		t.Error("a session outlives its simulation")
	}

	after := settled(t, s.cfg.Data)
	for path, b := range before {
		if !bytes.Equal(b, after[path]) {
			t.Errorf("%s has changed", path)
		}
	}
	if len(before) != len(after) {
		t.Errorf("%d files, and %d before", len(after), len(before))
	}
	p := make([]byte, 4096)
	s.ok(disk.ReadAt(ctx, p, 0))
	if p[0] != 2 || running.Err() != nil {
		t.Errorf("the machine that runs: %d, %v", p[0], running.Err())
	}
	s.run("pc02") // nobody else has its disk
}
