//go:build e2e

package lab

import (
	"archive/tar"
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bootes.dev/internal/golden"
)

const testPassword = "bootes"

func goldenImage(ctx context.Context, t *testing.T, kernel golden.Kernel) string {
	t.Helper()
	Require(t, "mmdebstrap", "grub-mkimage", "mke2fs", "mformat")
	path, err := golden.Cached(ctx, CacheDir, golden.Options{RootPassword: testPassword, Kernel: kernel})
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// recipeBoot is one boot by the classic recipe.
type recipeBoot struct {
	name     string
	firmware Firmware
	nic      NIC
	plain    bool
	kernel   golden.Kernel
	chap     bool
	identity bool
}

// start boots a guest to the login prompt and reports the time of each stage.
func (b recipeBoot) start(ctx context.Context, t *testing.T) (*Recipe, *Guest, RecipeMachine) {
	t.Helper()
	image := goldenImage(ctx, t, b.kernel)
	n := New(t, NetOptions{})
	m := RecipeMachine{Name: "pc-" + b.name, MAC: "52:54:00:77:00:01", Image: image}
	if b.chap {
		m.User, m.Secret = "pc-user", "a-secret-of-24-letters.."
	}
	if b.identity {
		m.Identity = n.Path("identity.tar")
		writeIdentity(t, m.Identity)
	}
	r, err := n.StartRecipe(ctx, m)
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	g, err := n.StartGuest(ctx, GuestOptions{
		Name: b.name, MAC: m.MAC, Firmware: b.firmware, NIC: b.nic, PlainROM: b.plain})
	if err != nil {
		t.Fatal(err)
	}
	for _, stage := range []string{`GRUB`, `Linux version`, `systemd\[1\]`, LoginPrompt} {
		which, _, err := g.Console().ExpectAny(ctx, stage, `Kernel panic`, `(?m)^\(initramfs\)`)
		if err != nil {
			t.Fatal(err)
		}
		if which != 0 {
			t.Fatalf("no %q:\n%s", stage, g.Console().Tail(30))
		}
		t.Logf("%6.1f s %s", time.Since(start).Seconds(), stage)
	}
	return r, g, m
}

// guestShell logs in and returns a function that runs a command in the guest,
// whose failure is the test's.
func guestShell(ctx context.Context, t *testing.T, g *Guest) func(command string) string {
	t.Helper()
	sh, err := g.Console().Login(ctx, "root", testPassword)
	if err != nil {
		t.Fatal(err)
	}
	return func(command string) string {
		t.Helper()
		out, err := sh.Run(ctx, command)
		if err != nil {
			t.Error(err)
		}
		return out
	}
}

// TestClassicRecipeBoots shows that the golden image boots without Boötes, under
// both firmwares, and is what it should be once it runs.
func TestClassicRecipeBoots(t *testing.T) {
	Require(t, append(RecipePrograms, qemuProgram)...)
	for _, b := range []recipeBoot{
		{name: "bios", firmware: BIOS, nic: VirtioNet, kernel: golden.Generic},
		{name: "bios-plain-e1000", firmware: BIOS, nic: E1000, plain: true, kernel: golden.Generic, chap: true},
		{name: "uefi", firmware: UEFI, nic: VirtioNet, kernel: golden.Generic},
		{name: "uefi-cloud", firmware: UEFI, nic: VirtioNet, kernel: golden.Cloud, chap: true, identity: true},
	} {
		t.Run(b.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 6*time.Minute)
			defer cancel()
			r, g, m := b.start(ctx, t)
			run := guestShell(ctx, t, g)
			checkRoot(t, g, run)
			checkIdentity(t, run, m)
			if b.identity {
				checkGivenIdentity(t, run)
			} else {
				checkDerivedIdentity(t, run, m)
			}
			if fetched := logHas(t, r.DHCP.Log, "sent "+filepath.Join(r.dir, "undionly.kpxe")); fetched != b.plain {
				t.Errorf("undionly.kpxe was fetched: %v, want %v", fetched, b.plain)
			}
			checkShutdown(ctx, t, g)
		})
	}
}

func logHas(t *testing.T, path, text string) bool {
	t.Helper()
	log, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Contains(string(log), text)
}

func checkRoot(t *testing.T, g *Guest, run func(string) string) {
	t.Helper()
	if got := run("findmnt -no FSTYPE,OPTIONS /; lsblk -ndo TRAN /dev/sda"); !strings.Contains(got, "ext4") ||
		!strings.Contains(got, "rw,") || !strings.HasSuffix(got, "iscsi") {
		t.Errorf("root file system: %s", got)
	}
	if got := run("systemctl is-active iscsid; systemctl is-system-running --wait; systemctl --failed --no-legend"); got != "active\nrunning" {
		t.Errorf("services: %s", got)
	}
	if got := run("cat /sys/class/iscsi_session/session*/recovery_tmo " +
		"/sys/class/iscsi_connection/*/ping_tmo /sys/class/iscsi_connection/*/recv_tmo"); got != "off\n0\n0" {
		t.Errorf("recovery, ping and receive time-outs: %q, want off, 0, 0", got)
	}
	run("test $(readlink /proc/$(pidof -s iscsid)/root) = /run/bootes/iscsid")
	if got := g.Console().Log; !logHas(t, got, "root: clean") {
		t.Errorf("fsck did not check the root file system; see %s", got)
	}
	if got := run("journalctl -b --no-pager -g 'ordering cycle' -o cat || true"); strings.Contains(got, "cycle") {
		t.Errorf("units: %s", got)
	}
	if got := run("fstrim -v /"); !strings.Contains(got, "GiB") {
		t.Errorf("fstrim: %s", got)
	}
	run("systemctl is-enabled fstrim.timer")
	run("test -s /boot/grub/grub.cfg && test -e /initrd.img && test -e /vmlinuz")
	t.Log(run("systemd-analyze; df -h / | tail -n 1; ls -l --dereference /initrd.img; cat /proc/cmdline"))
}

func checkIdentity(t *testing.T, run func(string) string, m RecipeMachine) {
	t.Helper()
	if got := run("hostname; cat /etc/hostname"); got != m.Name+"\n"+m.Name {
		t.Errorf("host names %q, want %q twice", got, m.Name)
	}
	if got := run("cat /etc/iscsi/initiatorname.iscsi"); got != "InitiatorName="+RecipeInitiator(m.Name) {
		t.Errorf("initiator name: %s", got)
	}
	run("ls /etc/ssh/ssh_host_ed25519_key; systemctl is-active ssh")
	if got := run("for i in $(seq 30); do [ -s /etc/resolv.conf ] && break; sleep 1; done; cat /etc/resolv.conf"); got != "nameserver "+DefaultServer.Addr().String() {
		t.Errorf("resolv.conf: %q", got)
	}
	if got := run("ip -o -4 addr show scope global | wc -l; ls /run/bootes/identity 2>&1 | wc -l"); got != "1\n1" {
		t.Errorf("addresses and leftovers: %q", got)
	}
	run("ping -c 1 " + DefaultServer.Addr().String())
}

func checkDerivedIdentity(t *testing.T, run func(string) string, m RecipeMachine) {
	t.Helper()
	want := run("echo bootes " + RecipeInitiator(m.Name) + " | md5sum | cut -c 1-32")
	if got := run("cat /etc/machine-id"); got != want {
		t.Errorf("machine-id %q, want %q", got, want)
	}
	run("! lsblk -dno MODEL | grep IDENTITY")
}

// givenIdentity is what the disk IDENTITY holds in the tests. The keys need not be
// good ones: sshd complains and goes on.
var givenIdentity = map[string]string{
	"hostname":                     "not-this-one\n", // the iBFT's wins
	"machine-id":                   "0123456789abcdef0123456789abcdef\n",
	"ssh/ssh_host_ed25519_key":     testHostKey,
	"ssh/ssh_host_ed25519_key.pub": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFlZOgaEcj6MFg7qtYP1hn938KSunlI6yVf8Rs4BtyIH\n",
	"seed":                         strings.Repeat("seed", 128),
}

// testHostKey was made for this test and guards nothing.
const testHostKey = `-----BEGIN OPENSSH PRIVATE KEY-----
b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW
QyNTUxOQAAACBZWToGhHI+jBYO6rWD9YZ/d/Ckrp5SOslX/EbOAbciBwAAAIgYieJVGIni
VQAAAAtzc2gtZWQyNTUxOQAAACBZWToGhHI+jBYO6rWD9YZ/d/Ckrp5SOslX/EbOAbciBw
AAAECXgZpzbOQu4OqJ46RMaa/yYXvHIfRV7qXsrHqLcgCbK1lZOgaEcj6MFg7qtYP1hn93
8KSunlI6yVf8Rs4BtyIHAAAAAAECAwQF
-----END OPENSSH PRIVATE KEY-----
`

func writeIdentity(t *testing.T, path string) {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for name, content := range givenIdentity {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(content))}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	b.Write(make([]byte, 64<<10-b.Len())) // whole sectors
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}

func checkGivenIdentity(t *testing.T, run func(string) string) {
	t.Helper()
	if got := run("cat /etc/machine-id") + "\n"; got != givenIdentity["machine-id"] {
		t.Errorf("machine-id %q", got)
	}
	if got := run("stat -c %a /etc/ssh/ssh_host_ed25519_key; cat /etc/ssh/ssh_host_ed25519_key") + "\n"; got != "600\n"+testHostKey {
		t.Errorf("host key: %s", got)
	}
	if got := run("lsblk -dno MODEL,RO | grep IDENTITY"); !strings.HasSuffix(got, "1") {
		t.Errorf("identity disk: %s", got)
	}
}

// checkShutdown shows that the guest can stop while its root disk is remote.
func checkShutdown(ctx context.Context, t *testing.T, g *Guest) {
	t.Helper()
	done := g.Done()
	if err := g.Console().Send("poweroff\n"); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	select {
	case <-done:
		t.Logf("%6.1f s to switch itself off", time.Since(start).Seconds())
	case <-ctx.Done():
		t.Errorf("guest did not switch itself off:\n%s", g.Console().Tail(20))
	}
}

// TestGuestOutlivesTarget kills the target under a running guest, leaves it away
// for longer than Linux's usual 120 s would count in this test's time, and shows
// that the guest's writes wait and go on.
func TestGuestOutlivesTarget(t *testing.T) {
	Require(t, append(RecipePrograms, qemuProgram)...)
	ctx, cancel := context.WithTimeout(t.Context(), 9*time.Minute)
	defer cancel()
	r, g, m := recipeBoot{name: "outage", nic: VirtioNet, kernel: golden.Generic, chap: true}.start(ctx, t)
	run := guestShell(ctx, t, g)
	run("(for i in $(seq 1 400); do dd if=/dev/urandom of=/root/f$i bs=64k count=1 conv=fsync 2>/dev/null && " +
		"echo $i >/run/progress || echo failed $i >>/run/failed; done; touch /run/finished) >/dev/null 2>&1 &")
	r.Target.Kill()
	// What iscsid, or this shell, still needs of the disk is not in memory now.
	run("echo 1 >/proc/sys/vm/drop_caches")
	time.Sleep(outage)
	before := run("n=0; [ ! -e /run/progress ] || read n </run/progress; echo $n")
	if err := r.StartTarget(ctx); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	if err := r.AddTarget(ctx, 1, m); err != nil {
		t.Fatal(err)
	}
	got := run("for i in $(seq 1 200); do [ -e /run/finished ] && break; sleep 1; done; cat /run/progress; cat /run/failed 2>/dev/null; true")
	t.Logf("%s writes before the outage's end, then: %s, %.1f s after it", before, got, time.Since(start).Seconds())
	if got != "400" || before == "400" {
		t.Errorf("writes: %s before the end of the outage, %q at the end; want fewer than 400, then 400", before, got)
	}
	if got := run("dmesg | grep -iE 'I/O error|EXT4-fs error|offline' || true"); got != "" {
		t.Errorf("the kernel says: %s", got)
	}
	if got := run("findmnt -no OPTIONS /"); !strings.HasPrefix(got, "rw,") {
		t.Errorf("root is mounted %s", got)
	}
}

// outage is how long the target stays away.
const outage = 150 * time.Second
