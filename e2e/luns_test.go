//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"bootes.dev/internal/api"
	"bootes.dev/internal/initiator"
	"bootes.dev/internal/lab"
)

// TestLUNs gives a machine that runs more than one disk: a CD-ROM, a volume of
// its own and one that it shares.
func TestLUNs(t *testing.T) {
	lab.Require(t, "iscsi-ls", "iscsi-readcapacity16", "qemu-img")
	f := toolsFixture(t)
	song := f.noise("song", 3<<20+77)
	f.cli("image", "import", "tools:1", f.disc(song), "--cdrom")
	f.cli("volume", "create", "data1", "--size", "256M", "--block-size", "4096")
	f.cli("volume", "create", "quorum", "--size", "2G", "--shared")
	peer := f.dataDisk("data")
	pc := f.guest("pc1", "52:54:00:00:00:01", api.Persistent, lab.BIOS)

	t.Run("libiscsi and QEMU", func(t *testing.T) { testForeignLUNs(t, f, peer) })
	f.cli("machine", "attach", "pc1", "--image", "tools:1")
	boot(t, pc)
	t.Run("a CD-ROM", func(t *testing.T) { testCDROM(t, f, pc, song) })
	t.Run("a second disk", func(t *testing.T) { testSecondDisk(t, f, pc) })
	t.Run("a shared disk", func(t *testing.T) { testSharedDisk(t, f, pc, peer) })
	t.Run("no harm to the root disk", func(t *testing.T) {
		during(t, f, pc)
		pc.want(`dmesg | grep -iE 'ext4-fs error|i/o error, dev sda|filesystem read-only' || echo none`, "none")
	})
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

// disc is an ISO file with the file at path on it.
func (f *fixture) disc(path string) string {
	f.t.Helper()
	iso := filepath.Join(f.t.TempDir(), "disc.iso")
	content, err := os.ReadFile(path)
	if err != nil {
		f.t.Fatal(err)
	}
	if err := os.WriteFile(iso, isoImage("LAB", "MUSIC", "SONG", content), 0o600); err != nil {
		f.t.Fatal(err)
	}
	return iso
}

// testForeignLUNs has libiscsi and QEMU's own initiator use what is attached to a
// machine.
func testForeignLUNs(t *testing.T, f *fixture, a account) {
	during(t, f)
	f.cli("machine", "attach", "data", "--volume", "data1", "--lun", "5")
	f.cli("machine", "attach", "data", "--image", "tools:1")
	on := f.Net
	out, err := on.Run(t.Context(), "iscsi-ls", "-s", "-i", a.initiator, a.url(f))
	if err != nil || !strings.Contains(string(out), "Lun:2    Type:MMC") || !strings.Contains(string(out), "Lun:5    Type:DIRECT_ACCESS (Size:255M)") {
		t.Errorf("iscsi-ls: %v\n%s", err, out)
	}
	unit := func(lun int) string { return fmt.Sprintf("%s/%s/%d", a.url(f), a.target, lun) }
	out, err = on.Run(t.Context(), "iscsi-readcapacity16", "-i", a.initiator, unit(5))
	if err != nil || !strings.Contains(string(out), "LOGICAL BLOCK LENGTH IN BYTES:4096") || !strings.Contains(string(out), "Total size:268435456") {
		t.Errorf("iscsi-readcapacity16: %v\n%s", err, out)
	}

	// One goes in, and the same comes back.
	disk := f.noise("disk", 64<<20)
	if err := os.Truncate(disk, 256<<20); err != nil {
		t.Fatal(err)
	}
	remote := fmt.Sprintf("file.driver=iscsi,file.transport=tcp,file.portal=%s,file.target=%s,file.lun=5,file.user=%s,file.password-secret=key,file.initiator-name=%s",
		f.portal(), a.target, a.user, a.initiator)
	secret := "secret,id=key,data=" + a.secret
	for _, args := range [][]string{
		{"convert", "--object", secret, "-n", "-f", "raw", "--target-image-opts", disk, "driver=raw," + remote},
		{"compare", "--object", secret, "--image-opts", "driver=raw,file.driver=file,file.filename=" + disk, "driver=raw," + remote},
	} {
		if out, err := on.Run(t.Context(), "qemu-img", args...); err != nil {
			t.Errorf("qemu-img %s: %v\n%s", args[0], err, out)
		}
	}
	for _, lun := range []string{"5", "2"} {
		f.cli("machine", "detach", "data", "--lun", lun, "--force")
	}
	back := filepath.Join(t.TempDir(), "back.raw")
	f.cli("volume", "export", "data1", back)
	if out, err := on.Run(t.Context(), "cmp", disk, back); err != nil {
		t.Errorf("what the volume holds is not what was written: %s", out)
	}
}

// testCDROM mounts the disc that was in the drive when the machine started.
func testCDROM(t *testing.T, f *fixture, pc *guest, song string) {
	during(t, f, pc)
	want, err := os.ReadFile(song)
	if err != nil {
		t.Fatal(err)
	}
	pc.run("modprobe sr_mod; udevadm settle; mkdir -p /cd && mount -o ro /dev/sr0 /cd")
	pc.want("blkid -o value -s LABEL /dev/sr0", "LAB")
	pc.want("stat -c %s /cd/music/song", fmt.Sprint(len(want)))
	pc.want("sha256sum < /cd/music/song | cut -c 1-64", fmt.Sprintf("%x", sha256.Sum256(want)))
	pc.want("blockdev --getss /dev/sr0; blockdev --getro /dev/sr0; cat /sys/block/sr0/device/model | tr -d ' '", "2048\n1\nCD-ROM")
	pc.run("umount /cd")
	f.cli("machine", "detach", "pc1", "--lun", "2")
	pc.run("echo 1 > /sys/block/sr0/device/delete")
	if _, err := pc.try("iscsiadm -m session --rescan && udevadm settle && test -e /dev/sr0"); err == nil {
		t.Error("the drive is still there")
	}
}

// rescan finds the disk at a LUN of the machine's own target.
func (g *guest) rescan(lun int) string {
	g.t.Helper()
	path := fmt.Sprintf("/dev/disk/by-path/ip-*-iscsi-%s-lun-%d", iqn+g.Name(), lun)
	return g.run("iscsiadm -m session --rescan > /dev/null && udevadm settle && readlink -f " + path)
}

// testSecondDisk gives a machine that runs a disk, and takes it away.
func testSecondDisk(t *testing.T, f *fixture, pc *guest) {
	during(t, f, pc)
	if out := f.cli("machine", "attach", "pc1", "--volume", "data1"); !strings.Contains(out, "volume data1 is LUN 2 of pc1: a disk\npc1 runs, and finds it by: iscsiadm -m session --rescan\n") {
		t.Errorf("machine attach says %q", out)
	}
	disk := pc.rescan(2)
	pc.want("blockdev --getsize64 "+disk+"; blockdev --getss "+disk, "268435456\n4096")
	pc.run("mkfs.ext4 -q -F " + disk + " && mkdir -p /data && mount " + disk + " /data && echo kept > /data/note")
	f.cli("volume", "resize", "data1", "512M")
	pc.run("iscsiadm -m session --rescan > /dev/null")
	pc.want("blockdev --getsize64 "+disk, "536870912")
	pc.run("resize2fs " + disk + " 2>&1")

	if _, err := f.CLI(t.Context(), "machine", "detach", "pc1", "--lun", "2"); err == nil ||
		!strings.Contains(err.Error(), "volume \"data1\" is in use by machine pc1, which runs and can write to it: unmount it there, then `bootes machine detach pc1 --lun 2 --force`") {
		t.Errorf("machine detach: %v", err)
	}
	pc.run("umount /data && echo 1 > /sys/block/" + filepath.Base(disk) + "/device/delete")
	f.cli("machine", "detach", "pc1", "--lun", "2", "--force")
	pc.run("iscsiadm -m session --rescan > /dev/null; udevadm settle; test ! -e " + disk)
	if out := f.cli("volume", "cat", "data1:/note"); out != "kept\n" {
		t.Errorf("the note on the disk says %q", out)
	}
}

// dial logs in to a disk from the test itself.
func (f *fixture) dial(ctx context.Context, a account) *initiator.Session {
	f.t.Helper()
	s, err := initiator.Dial(ctx, f.portal(), initiator.Options{
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
	return s
}

// writes tells whether a session may write to a LUN.
func writes(t *testing.T, s *initiator.Session, lun uint8) bool {
	t.Helper()
	d, err := s.Disk(t.Context(), lun)
	if err != nil {
		t.Fatal(err)
	}
	err = d.WriteAt(t.Context(), bytes.Repeat([]byte("p"), 4096), 1<<20)
	const reservationConflict = 0x18
	var status *initiator.StatusError
	if err != nil && (!errors.As(err, &status) || status.Status != reservationConflict) {
		t.Fatal(err)
	}
	return err == nil
}

// testSharedDisk shares a disk between a system and another initiator. What the
// one reserves keeps the other out, also after the server was killed.
func testSharedDisk(t *testing.T, f *fixture, pc *guest, a account) {
	during(t, f, pc)
	f.cli("machine", "attach", "data", "--volume", "quorum", "--lun", "9")
	peer := f.dial(t.Context(), a)
	defer func() { peer.Close() }()
	f.cli("machine", "attach", "pc1", "--volume", "quorum")
	disk := pc.rescan(2)
	if !writes(t, peer, 9) {
		t.Error("nobody has reserved it, and the peer may not write")
	}
	pc.want("dd if="+disk+" bs=4k skip=256 count=1 iflag=direct 2>/dev/null | tr -d p | wc -c", "0")

	pc.run(persist)
	pc.run("persist " + disk + " --out --register --param-sark=0xa1 --param-aptpl && persist " + disk + " --out --reserve --param-rk=0xa1 --prout-type=5")
	if writes(t, peer, 9) {
		t.Error("the guest has reserved it, and the peer may write")
	}
	f.end(syscall.SIGKILL)
	time.Sleep(time.Second)
	f.serve()
	peer.Close()
	peer = f.dial(t.Context(), a)
	if writes(t, peer, 9) {
		t.Error("after the server was killed the peer may write")
	}
	pc.until("access "+disk+" | tr '\\n' ' '", "read write ", 2*time.Minute)
	shown := f.cli("volume", "show", "quorum")
	if !strings.Contains(shown, "write exclusive, registrants only, by "+iqn+"init:pc1,i,0x") || !strings.Contains(shown, "with key 0xa1\n") {
		t.Errorf("volume show says:\n%s", shown)
	}
	f.cli("volume", "set", "quorum", "--clear-reservations")
	if !writes(t, peer, 9) {
		t.Error("cleared, and the peer may not write")
	}
	pc.run("echo 1 > /sys/block/" + filepath.Base(disk) + "/device/delete")
	f.cli("machine", "detach", "pc1", "--lun", "2", "--force")
	if !writes(t, peer, 9) {
		t.Error("the other one has left, and the peer may not write")
	}
}
