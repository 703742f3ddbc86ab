//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"bootes.dev/internal/api"
	"bootes.dev/internal/lab"
)

// lunOf is the path of a logical unit of a machine's own target in that machine.
func (f *fixture) lunOf(machine string, lun int) string {
	return fmt.Sprintf("/dev/disk/by-path/ip-%s-iscsi-%s-lun-%d", f.portal(), iqn+machine, lun)
}

// rescan has the guest look for new disks and sizes.
const rescan = "iscsiadm -m session --rescan > /dev/null && udevadm settle; "

// testAttached gives disks to a machine that runs, and takes them away.
func testAttached(t *testing.T, f *fixture, pc *guest) {
	during(t, f, pc)
	disc := makeDisc(t)
	f.cli("volume", "create", "db", "--size", "256M", "--block-size", "4096")
	f.cli("image", "import", "disc:1", disc, "--cdrom")
	f.cli("machine", "attach", pc.Name(), "--volume", "db", "--lun", "5")
	f.cli("machine", "attach", pc.Name(), "--image", "disc:1", "--lun", "6")
	db := f.lunOf(pc.Name(), 5)
	pc.run("modprobe -a sr_mod isofs; " + rescan + "ls " + db + " /dev/sr0")

	pc.want("blockdev --getss --getpbsz --getsize64 "+db, fmt.Sprintf("4096\n4096\n%d", 256<<20))
	pc.run("mkdir -p /mnt /run/disc && mkfs.ext4 -q -F " + db + " && mount " + db + " /mnt && " +
		"head -c 16M /dev/urandom > /run/r && cp /run/r /mnt/r && sync")
	f.cli("volume", "resize", "db", "512M")
	pc.run(rescan + "resize2fs " + db + " 2>&1 && echo 1 > /proc/sys/vm/drop_caches && cmp /run/r /mnt/r")
	pc.want("blockdev --getsize64 "+db, fmt.Sprint(512<<20))

	testSpeed(t, f, pc, db)

	pc.run("mount -o ro /dev/sr0 /run/disc 2>&1")
	pc.want("cat /run/disc/hello.txt; blockdev --getss /dev/sr0; cat /sys/block/sr0/ro", "from the disc\n2048\n1")
	pc.run("umount /run/disc && echo 1 > /sys/block/sr0/device/delete")
	f.cli("machine", "detach", pc.Name(), "--lun", "6")

	pc.run("umount /mnt && echo 1 > /sys/block/$(basename $(readlink -f " + db + "))/device/delete")
	f.cli("machine", "detach", pc.Name(), "--lun", "5", "--force")
	pc.want(rescan+"ls "+db+" /dev/sr0 2>/dev/null || echo gone", "gone")
}

// testSpeed limits how many commands the volume db serves.
func testSpeed(t *testing.T, f *fixture, pc *guest, disk string) {
	t.Helper()
	const limit, reads = 20, 60
	f.cli("volume", "set", "db", "--iops", fmt.Sprint(limit))
	took := pc.run(fmt.Sprintf("start=$(date +%%s%%N); dd if=%s of=/dev/null bs=4k count=%d iflag=direct 2>/dev/null; "+
		"echo $((($(date +%%s%%N) - start) / 1000000))", disk, reads))
	// It may begin with what a second allows.
	if ms, err := strconv.Atoi(took); err != nil || ms < (reads/limit-2)*1000 {
		t.Errorf("%d reads, %d a second, took %s ms", reads, limit, took)
	}
	f.cli("volume", "set", "db", "--iops", "none")
}

// makeDisc makes an ISO 9660 file system with one file.
func makeDisc(t *testing.T) (path string) {
	t.Helper()
	lab.Require(t, "genisoimage")
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "hello.txt"), []byte("from the disc\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(t.TempDir(), "disc.iso")
	if out, err := exec.Command("genisoimage", "-quiet", "-r", "-J", "-o", path, dir).CombinedOutput(); err != nil {
		t.Fatalf("genisoimage: %v: %s", err, out)
	}
	return path
}

// testStatic opens a machine's disk as an HBA would, and has its credentials
// revoked meanwhile.
func testStatic(t *testing.T, f *fixture, pc *guest) {
	during(t, f, pc)
	f.cli("machine", "add", "hba", "--mac", "52:54:00:00:00:11", "--image", imageRef, "--"+api.Persistent)
	var c api.Credentials
	f.json(&c, "machine", "credentials", "hba", "--new")
	n := pc.node(account{initiator: c.Initiator, target: c.Target, user: c.User, secret: c.Secret}, f.portal(),
		"node.session.auth.username_in", c.ReverseUser, "node.session.auth.password_in", c.ReverseSecret)
	disk := n.open()
	pc.run("dd if=" + disk + " of=/dev/null bs=1M count=4 iflag=direct 2>&1 && dd if=/dev/zero of=" + disk + " bs=1M count=4 oflag=direct 2>&1")
	f.cli("machine", "credentials", "hba", "--revoke")
	pc.until("iscsiadm -m session -P 1 | sed -n '/"+c.Target+" /,$p' | grep -o 'REOPEN' | head -n 1", "REOPEN", time.Minute)
	n.close()
	if out := n.refused(); !strings.Contains(out, "authorization failure") {
		t.Errorf("with credentials that were revoked iscsiadm says %q", out)
	}
}

// testShared has two machines' targets offer one disk: a reservation that came by
// one keeps out who comes by the other, also when the server was killed.
func testShared(t *testing.T, f *fixture, pc *guest, n node) {
	during(t, f, pc)
	f.cli("volume", "create", "quorum", "--size", "64M", "--shared")
	f.cli("machine", "attach", pc.Name(), "--volume", "quorum", "--lun", "7")
	f.cli("machine", "attach", "data", "--volume", "quorum", "--lun", "7")
	n.open()
	defer n.close()
	pc.run(rescan)
	a, b := f.lunOf(pc.Name(), 7), f.lunOf("data", 7)
	pc.run(persist + "\n" + "persist " + a + " --out --register --param-sark=0xa1 --param-aptpl")
	pc.run("persist " + a + " --out --reserve --param-rk=0xa1 --prout-type=1")
	check := func(when string) {
		t.Helper()
		for disk, want := range map[string]string{a: "read write", b: "read"} {
			if got := pc.can(disk); got != want {
				t.Errorf("%s %s may %q, want %q", when, disk, got, want)
			}
		}
	}
	check("at once")
	f.end(syscall.SIGKILL)
	f.serve()
	check("after the server was killed")
	pc.want("dd if=/dev/zero bs=4k count=1 2>/dev/null | cmp -n 4096 - "+b+" && echo same", "same")
	pc.run("persist " + b + " --out --register --param-sark=0xb2")
	pc.run("persist " + b + " --out --preempt --param-rk=0xb2 --param-sark=0xa1 --prout-type=3")
	if got := pc.can(a); got != "" {
		t.Errorf("who was preempted by way of another target may %q", got)
	}
	pc.run("persist " + b + " --out --clear --param-rk=0xb2")
}
