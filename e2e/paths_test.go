//go:build e2e

package e2e

import (
	"fmt"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"bootes.dev/internal/lab/site"
)

// quick makes a path give up soon, since there is another; patient makes it
// wait for the server.
var (
	quick = []string{
		"node.session.timeo.replacement_timeout", "2",
		"node.conn[0].timeo.noop_out_interval", "1", "node.conn[0].timeo.noop_out_timeout", "2",
	}
	patient = []string{
		"node.session.timeo.replacement_timeout", "120",
		"node.conn[0].timeo.noop_out_interval", "0", "node.conn[0].timeo.noop_out_timeout", "0",
	}
)

// multipathConfig is about two disks alone: which name the kernel gives to the root
// disk depends on which is found first.
const multipathConfig = `cat > /etc/multipath.conf <<'EOF'
defaults {
	find_multipaths no
	polling_interval 1
	path_grouping_policy multibus
	no_path_retry queue
	user_friendly_names yes
}
blacklist {
	devnode ".*"
}
blacklist_exceptions {
	devnode "^(%s|%s)$"
}
EOF
systemctl restart multipathd`

// testMultipath cuts one of two paths under a load.
func testMultipath(t *testing.T, f *fixture, one, two node) {
	during(t, f, one.g)
	g := one.g
	var disks []any
	for _, n := range []node{one, two} {
		n.set(quick...)
		disks = append(disks, strings.TrimPrefix(n.open(), "/dev/"))
	}
	g.run(fmt.Sprintf(multipathConfig, disks...))
	paths := func(state string) string { return "multipath -ll | grep -c '" + state + "'" }
	g.until(paths("active ready running"), "2", time.Minute)
	g.startFio("/dev/mapper/mpatha", 25)

	f.unplugSecond()
	g.until(paths("failed faulty"), "1", time.Minute)
	const written = "awk '{print $7}' /sys/block/$(basename $(readlink -f /dev/mapper/mpatha))/stat"
	at := g.run(written)
	g.until(fmt.Sprintf("test $(%s) -gt $((%s + 1000)) && echo more", written, at), "more", time.Minute)
	f.plugSecond()
	g.until(paths("active ready running"), "2", time.Minute)
	g.endFio()

	g.run("systemctl stop multipathd.socket multipathd && udevadm settle && multipath -F")
	for _, n := range []node{one, two} {
		n.close()
	}
}

// startFio writes stamped blocks to a disk for some seconds, reading them back
// now and then, until endFio.
func (g *guest) startFio(disk string, seconds int) {
	g.t.Helper()
	const rate = 200 // writes in a second, few enough for any machine
	g.run(fmt.Sprintf(`cat > /run/job.fio <<'EOF'
[stamps]
filename=%s
offset=1g
rw=randwrite
bs=4k
size=%dk
rate_iops=,%d
direct=1
ioengine=libaio
iodepth=16
verify=crc32c
verify_fatal=1
verify_backlog=256
EOF
rm -f /run/fio.status; (fio --output=/run/fio.log /run/job.fio > /dev/null 2>&1; echo $? > /run/fio.status) &`, disk, seconds*rate*4, rate))
	g.until("pidof -s fio > /dev/null && echo runs", "runs", 30*time.Second)
	time.Sleep(3 * time.Second)
}

// endFio waits for the end of fio, which must have found each block as it wrote
// it, and must not have ended before.
func (g *guest) endFio() {
	g.t.Helper()
	g.want("test -e /run/fio.status || echo runs", "runs")
	g.until("cat /run/fio.status", "0", 3*time.Minute)
	g.t.Log(g.run("grep -E 'issued rwts|err=' /run/fio.log"))
}

// until waits until a command prints what is wanted.
func (g *guest) until(command, want string, within time.Duration) {
	g.t.Helper()
	deadline := time.Now().Add(within)
	for {
		got, _ := g.try(command)
		if got == want {
			return
		}
		if time.Now().After(deadline) {
			g.t.Fatalf("%s: after %s %q still prints %q, want %q", g.Name(), within, command, got, want)
		}
		time.Sleep(500 * time.Millisecond)
	}
}

// testKilledUnderFio kills the server under fio, and under the root disk.
func testKilledUnderFio(t *testing.T, f *fixture, n node) {
	during(t, f, n.g)
	n.set(patient...)
	disk := n.open()
	defer n.close()
	n.g.startFio(disk, 15)
	for range 2 {
		f.end(syscall.SIGKILL)
		time.Sleep(2 * time.Second)
		f.serve()
		time.Sleep(2 * time.Second)
	}
	n.g.endFio()
}

// testSpace grows a disk under a system that uses it, and has the system give
// back what it does not need.
func testSpace(t *testing.T, f *fixture, n node) {
	during(t, f, n.g)
	g, disk := n.g, n.open()
	defer n.close()
	g.run("mkfs.ext4 -q -F -E nodiscard " + disk + " && mkdir -p /mnt && mount " + disk + " /mnt")
	defer g.run("umount /mnt")

	const larger = 6 << 30
	f.cli("volume", "resize", "data", fmt.Sprint(larger))
	g.run("iscsiadm -m session --rescan")
	g.want("blockdev --getsize64 "+disk, fmt.Sprint(larger))
	g.run("resize2fs " + disk + " 2>&1")
	if size, err := strconv.Atoi(g.run("df -B1 --output=size /mnt | tail -n 1")); err != nil || size < larger*9/10 {
		t.Errorf("the file system has %d bytes (%v)", size, err)
	}

	const file = 64 << 20
	g.run("fstrim /mnt && sync")
	dir := f.dataDir + "/volumes/" + f.volume("data").ID
	before := site.DirSize(dir)
	g.run(fmt.Sprintf("head -c %d /dev/urandom > /mnt/file && sync", file))
	full := site.DirSize(dir)
	g.run("rm /mnt/file && sync && fstrim /mnt && sync")
	left := site.DirSize(dir)
	for range 50 { // it is freed in the background
		if left < full-file*3/4 {
			break
		}
		time.Sleep(200 * time.Millisecond)
		left = site.DirSize(dir)
	}
	t.Logf("the volume takes %d MiB on the server, with a file %d, after fstrim %d", before>>20, full>>20, left>>20)
	if full-before < file || left > full-file*3/4 {
		t.Errorf("a file of %d bytes was made, removed and trimmed: the volume took %d bytes on the server, then %d, then %d",
			file, before, full, left)
	}
}
