//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"bootes.dev/internal/initiator"
	"bootes.dev/internal/lab"
)

// TestLUNs has initiators that are not Linux's use what machines have beside
// their own disks. TestOpenISCSI does the same from inside a machine.
func TestLUNs(t *testing.T) {
	t.Parallel()
	lab.Require(t, "iscsi-ls", "iscsi-readcapacity16", "qemu-img", "dhclient", "curl", "cmp")
	f := newFixture(t, serverMode)
	f.cli("image", "import", "tools:1", f.noise("disc", 3<<20), "--cdrom")
	f.cli("volume", "create", "data1", "--size", "256M", "--block-size", "4096")
	f.cli("volume", "create", "quorum", "--size", "64M", "--shared")
	one := f.dataDisk("data")
	two := f.idleMachine("pc2", "52:54:00:00:00:11", "10.77.0.91")
	t.Run("libiscsi and QEMU", func(t *testing.T) { testForeignLUNs(t, f, one) })
	t.Run("a shared disk", func(t *testing.T) { testSharedDisk(t, f, one, two) })
}

// noise is a file of random bytes.
func (f *fixture) noise(name string, n int) string {
	f.t.Helper()
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{1}).Read(b)
	path := filepath.Join(f.t.TempDir(), name)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		f.t.Fatal(err)
	}
	return path
}

// testForeignLUNs has libiscsi and QEMU's own initiator use what is attached to a
// machine.
func testForeignLUNs(t *testing.T, f *fixture, a account) {
	during(t, f)
	f.cli("machine", "attach", "data", "--volume", "data1", "--lun", "5")
	f.cli("machine", "attach", "data", "--image", "tools:1")
	out, err := f.Net.Run(t.Context(), "iscsi-ls", "-s", "-i", a.initiator, a.url(f))
	// It counts the sizes without their last blocks.
	if err != nil || !strings.Contains(string(out), "Lun:2    Type:MMC") || !strings.Contains(string(out), "Lun:5    Type:DIRECT_ACCESS (Size:255M)") {
		t.Errorf("iscsi-ls: %v\n%s", err, out)
	}
	out, err = f.Net.Run(t.Context(), "iscsi-readcapacity16", "-i", a.initiator, a.url(f)+"/"+a.target+"/5")
	if err != nil || !strings.Contains(string(out), "LOGICAL BLOCK LENGTH IN BYTES:4096") || !strings.Contains(string(out), "Total size:268435456") {
		t.Errorf("iscsi-readcapacity16: %v\n%s", err, out)
	}

	// One goes in, and the same comes back: by the same way, and out of the store.
	disk := f.noise("disk", 64<<20)
	if err := os.Truncate(disk, 256<<20); err != nil {
		t.Fatal(err)
	}
	remote := fmt.Sprintf("driver=raw,file.driver=iscsi,file.transport=tcp,file.portal=%s,file.target=%s,file.lun=5,file.user=%s,file.password-secret=key,file.initiator-name=%s",
		f.portal(), a.target, a.user, a.initiator)
	secret := "secret,id=key,data=" + a.secret
	for _, args := range [][]string{
		{"convert", "--object", secret, "-n", "-f", "raw", "--target-image-opts", disk, remote},
		{"compare", "--object", secret, "--image-opts", "driver=raw,file.driver=file,file.filename=" + disk, remote},
	} {
		if out, err := f.Net.Run(t.Context(), "qemu-img", args...); err != nil {
			t.Errorf("qemu-img %s: %v\n%s", args[0], err, out)
		}
	}
	for _, lun := range []string{"5", "2"} {
		f.cli("machine", "detach", "data", "--lun", lun)
	}
	back := filepath.Join(t.TempDir(), "back.raw")
	f.cli("volume", "export", "data1", back)
	if out, err := f.Net.Run(t.Context(), "cmp", disk, back); err != nil {
		t.Errorf("what the volume holds is not what was written: %s", out)
	}
}

// peer is an initiator in the test itself.
type peer struct {
	*initiator.Session
	t   *testing.T
	lun uint8
}

// dial logs in to an account's target.
func (f *fixture) dial(a account, lun uint8) *peer {
	f.t.Helper()
	s, err := initiator.Dial(f.t.Context(), f.portal(), initiator.Options{
		Initiator: a.initiator, Target: a.target, User: a.user, Secret: a.secret, ISID: [6]byte{0x80, 0, 0, 0, 0, 1},
		Dial: func(ctx context.Context, addr string) (conn net.Conn, err error) {
			return conn, f.Net.Do(func() error {
				conn, err = new(net.Dialer).DialContext(ctx, "tcp4", addr)
				return err
			})
		},
	})
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { s.Close() })
	return &peer{s, f.t, lun}
}

// writes tells whether a reservation lets the peer write.
func (p *peer) writes() bool {
	p.t.Helper()
	d, err := p.Disk(p.t.Context(), p.lun)
	if err != nil {
		p.t.Fatal(err)
	}
	err = d.WriteAt(p.t.Context(), bytes.Repeat([]byte("p"), 4096), 1<<20)
	const reservationConflict = 0x18
	var status *initiator.StatusError
	if err != nil && (!errors.As(err, &status) || status.Status != reservationConflict) {
		p.t.Fatal(err)
	}
	return err == nil
}

// reserve sends PERSISTENT RESERVE OUT.
func (p *peer) reserve(action, kind, key, newKey, flags byte) {
	p.t.Helper()
	if _, err := p.Disk(p.t.Context(), p.lun); err != nil { // hears its unit attentions
		p.t.Fatal(err)
	}
	params := make([]byte, 24)
	params[7], params[15], params[20] = key, newKey, flags
	r, err := p.Do(p.t.Context(), p.lun, []byte{0x5f, action, kind, 8: 24, 9: 0}, params, nil)
	if err = errors.Join(err, r.Err()); err != nil {
		p.t.Fatal(err)
	}
}

// testSharedDisk shares a disk between two machines that run. What the one
// reserves keeps the other out, also after the server was killed.
func testSharedDisk(t *testing.T, f *fixture, a, b account) {
	during(t, f)
	f.cli("machine", "attach", "data", "--volume", "quorum", "--lun", "9")
	one, two := f.dial(a, 9), f.dial(b, 2)
	if out := f.cli("machine", "attach", "pc2", "--volume", "quorum"); !strings.HasPrefix(out, "volume quorum is LUN 2 of pc2: a disk\npc2 runs, and finds it by: iscsiadm -m session --rescan\n") {
		t.Errorf("machine attach says %q", out)
	}
	may := func(when, want string) {
		t.Helper()
		if got := fmt.Sprint(one.writes(), two.writes()); got != want {
			t.Errorf("%s they may write: %s, want %s", when, got, want)
		}
	}
	may("at first", "true true")
	const register, reserve, registrantsOnly, aptpl = 0, 1, 5, 1
	one.reserve(register, 0, 0, 0xa1, aptpl)
	one.reserve(reserve, registrantsOnly, 0xa1, 0, 0)
	may("reserved,", "true false")

	f.end(syscall.SIGKILL)
	f.serve()
	one, two = f.dial(a, 9), f.dial(b, 2)
	may("after the server was killed", "true false")
	shown := f.cli("volume", "show", "quorum")
	if want := "write exclusive, registrants only, by " + a.initiator + ",i,0x800000000001; registered: " + a.initiator + ",i,0x800000000001 with key 0xa1\n"; !strings.Contains(shown, want) {
		t.Errorf("volume show says:\n%s\nwant %s", shown, want)
	}
	f.cli("volume", "set", "quorum", "--clear-reservations")
	may("cleared,", "true true")

	if _, err := f.CLI(t.Context(), "machine", "detach", "pc2", "--lun", "2"); err == nil ||
		!strings.Contains(err.Error(), "volume \"quorum\" is in use by machine pc2, which runs and can write to it: unmount it there, then `bootes machine detach pc2 --lun 2 --force`") {
		t.Errorf("machine detach: %v", err)
	}
	f.cli("machine", "detach", "pc2", "--lun", "2", "--force")
	if _, err := two.Disk(t.Context(), 2); err == nil {
		t.Error("it was taken away, and is there")
	}
	if !one.writes() {
		t.Error("the other one has left, and this one may not write")
	}
}
