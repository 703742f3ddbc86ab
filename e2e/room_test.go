//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"bootes.dev/internal/api"
	"bootes.dev/internal/lab"
)

// TestRoom is the main job: two machines, one image, from power-on to their
// systems, and what happens to them there.
func TestRoom(t *testing.T) {
	t.Parallel()
	f := newFixture(t, serverMode)
	before := f.imageHash()
	pc1 := f.guest("pc1", "52:54:00:00:00:01", api.Persistent, lab.BIOS)
	pc2 := f.guest("pc2", "52:54:00:00:00:02", api.Ephemeral, lab.UEFI)
	f.cli("machine", "set", "pc2", "--address", "10.77.0.20")
	boot(t, pc1, pc2)

	pc2.want(`ip -4 -o addr show scope global | awk '{print $4}'`, "10.77.0.20/24")
	t.Run("each machine is itself", func(t *testing.T) { testIdentity(t, f, pc1, pc2) })
	t.Run("a stranger gets nothing", func(t *testing.T) { testStrangers(t, f, pc1, pc2) })
	t.Run("a killed server is not noticed", func(t *testing.T) { testServerKilled(t, f, pc1, pc2) })
	t.Run("a full volume fails alone", func(t *testing.T) { testLimit(t, f, pc2, pc1) })

	for _, g := range []*guest{pc1, pc2} {
		g.run("echo kept > /root/mark && sync")
	}
	old := f.volume("pc2")
	identity := map[*guest]string{}
	for _, g := range []*guest{pc1, pc2} {
		identity[g] = g.run(identityCommand)
		g.PowerOff()
	}
	boot(t, pc1, pc2)

	t.Run("persistent is kept, ephemeral is fresh", func(t *testing.T) {
		during(t, f, pc1, pc2)
		f.unharmed(pc1, 2)
		f.unharmed(pc2, 2)
		pc1.want("cat /root/mark", "kept")
		pc2.want("test -e /root/mark || echo gone", "gone")
		for g, was := range identity {
			g.want(identityCommand, was)
		}
		if now := f.volume("pc2"); now.ID == old.ID {
			t.Errorf("pc2 still has volume %s", now.ID)
		}
		waitFreed(t, f, old.ID)
	})
	t.Run("what was read is recorded", func(t *testing.T) { testTrace(t, f, pc1, pc2) })
	t.Run("a simulated room boots and leaves nothing", func(t *testing.T) { testStorm(t, f, pc1, pc2) })
	t.Run("the golden image is as it was", func(t *testing.T) {
		during(t, f)
		if after := f.imageHash(); after != before {
			t.Errorf("hash of the layer's files was %s, is %s", before, after)
		}
	})
}

// identityCommand prints all that must stay the machine's own, and its address.
const identityCommand = `hostname; cat /etc/machine-id; cut -d' ' -f2 /etc/ssh/ssh_host_ed25519_key.pub; ` +
	`ip -4 -o addr show scope global | awk '{print $4}'`

func testIdentity(t *testing.T, f *fixture, guests ...*guest) {
	during(t, f, guests...)
	for _, g := range guests {
		m := f.machine(g.Name())
		g.want("hostname", m.Name)
		g.want("cat /etc/machine-id", m.MachineID)
		key := g.run("cut -d' ' -f1,2 /etc/ssh/ssh_host_ed25519_key.pub")
		if !slices.ContainsFunc(m.HostKeys, func(k string) bool { return strings.HasPrefix(k, key) }) {
			t.Errorf("%s has host key %q, want one of %q", g.Name(), key, m.HostKeys)
		}
		g.want(`lsblk -nso TRAN "$(findmnt -no SOURCE /)" | grep -o iscsi`, "iscsi")
		g.want("systemctl is-active iscsid", "active")
		g.want("readlink /proc/$(pidof -s iscsid)/root; stat -f -c %T /proc/$(pidof -s iscsid)/root/", "/run/bootes/iscsid\ntmpfs")
		g.want("cat /sys/class/iscsi_session/session*/recovery_tmo", "off")
		g.want("cat /sys/class/iscsi_connection/connection*/ping_tmo", "0")
		g.want("systemctl is-system-running --wait", "running")
		g.run("dd if=/dev/urandom of=/root/gone bs=1M count=32 conv=fsync 2>&1; rm /root/gone; sync")
		full := f.volume(g.Name()).Stored
		// The space of a persistent disk is given back after its next flush.
		trimmed := g.run("fstrim -v / && echo trimmed > /root/gone && sync")
		left := f.volume(g.Name()).Stored
		for range 50 {
			if left <= full-24<<20 {
				break
			}
			time.Sleep(200 * time.Millisecond)
			left = f.volume(g.Name()).Stored
		}
		if left > full-24<<20 {
			t.Errorf("%s discarded 32 MiB (%s), and its volume went from %d to %d bytes", g.Name(), trimmed, full, left)
		}
		g.noErrors()
		checkLogins(t, f, g.Name())
	}
	for _, own := range []string{"hostname", "cat /etc/machine-id", "cut -d' ' -f2 /etc/ssh/ssh_host_ed25519_key.pub"} {
		if a, b := guests[0].run(own), guests[1].run(own); a == b || a == "" {
			t.Errorf("twins: %s prints %q in both", own, a)
		}
	}
}

// checkLogins looks for the three logins of one boot: iPXE's, the kernel's by
// the initramfs, and that of iscsid as it takes over. Each has asked the server
// to prove itself.
func checkLogins(t *testing.T, f *fixture, machine string) {
	t.Helper()
	boots, err := f.Boots(t.Context(), machine)
	if err != nil || len(boots) != 1 {
		t.Fatalf("%s has booted %d times (%v), want once", machine, len(boots), err)
	}
	for _, who := range []string{"iPXE opened the disk, from ", "the operating system opened the disk, from ",
		"the operating system opened the disk again, from "} {
		logins := f.events(machine, who)
		if len(logins) == 0 {
			t.Errorf("%s: nobody says %q:\n%s", machine, who, f.cli("boot", "log", machine))
		}
		for _, l := range logins {
			if !strings.HasSuffix(l, ", by mutual CHAP") {
				t.Errorf("%s: %q", machine, l)
			}
		}
	}
}

const iqn = "iqn.2026-01.dev.bootes:"

// account is what an initiator needs to open a machine's disk.
type account struct {
	initiator, user, secret    string
	target                     string
	reverseUser, reverseSecret string // by which the server proves itself
}

// account is the guest's own, as its firmware was given it.
func (g *guest) account() account {
	g.t.Helper()
	return account{
		initiator: iqn + "init:" + g.Name(), target: iqn + g.Name(),
		user:   g.run("cat /sys/firmware/ibft/target0/chap-name"),
		secret: g.run("cat /sys/firmware/ibft/target0/chap-secret"),
	}
}

// url is the server as libiscsi's tools want it named, with CHAP if there is a
// user.
func (a account) url(f *fixture) string {
	server := f.Net.Server().Addr().String()
	if a.user == "" {
		return "iscsi://" + server
	}
	return "iscsi://" + a.user + "%" + a.secret + "@" + server
}

// runner is a computer on which a program can run.
type runner interface {
	Run(ctx context.Context, path string, args ...string) ([]byte, error)
}

// discover asks for the targets that an account may see, inquire opens the disk.
func (a account) discover(t *testing.T, f *fixture, on runner) (string, error) {
	out, err := on.Run(t.Context(), "iscsi-ls", "-i", a.initiator, a.url(f))
	return string(out), err
}

func (a account) inquire(t *testing.T, f *fixture, on runner) (string, error) {
	out, err := on.Run(t.Context(), "iscsi-inq", "-i", a.initiator, a.url(f)+"/"+a.target+"/0")
	return string(out), err
}

// checkAccount checks that an account sees its own target only.
func checkAccount(t *testing.T, f *fixture, on runner, a account) {
	t.Helper()
	out, err := a.discover(t, f, on)
	if err != nil || strings.Count(out, "Target:") != 1 || !strings.Contains(out, "Target:"+a.target+" ") {
		t.Errorf("discovery shows %q (%v), want %s alone", out, err, a.target)
	}
}

// loginFailure is what libiscsi's tools say.
var loginFailure = regexp.MustCompile(`(?i)login failed.*Status: .*\((513|514)\)`)

// testStrangers tries to reach a running machine's disk from another computer,
// with its secret and without.
func testStrangers(t *testing.T, f *fixture, pc, other *guest) {
	during(t, f, pc, other)
	lab.Require(t, "iscsi-ls", "iscsi-inq", "curl")
	stranger, err := f.Net.NewHost("52:54:00:00:00:66", netip.MustParseAddr("10.77.0.66"))
	if err != nil {
		t.Fatal(err)
	}
	good := pc.account()
	with := func(change func(*account)) account {
		a := good
		change(&a)
		return a
	}
	own := func(g *guest) []string { return f.events(g.Name(), g.address()) }
	before := [][]string{own(pc), own(other)}

	t.Run("right secret", func(t *testing.T) { // or nothing below would prove anything
		checkAccount(t, f, stranger, good)
		if out, err := good.inquire(t, f, stranger); err != nil || !strings.Contains(out, "Vendor:BOOTES") {
			t.Errorf("the disk does not open with the right secret: %q (%v)", out, err)
		}
	})
	for _, tt := range []struct {
		name string
		account
		proved bool // that it knows the secret: it may ask, and is shown nothing
	}{
		{"no CHAP", with(func(a *account) { a.user = "" }), false},
		{"wrong secret", with(func(a *account) { a.secret = "wrongwrongwrong" }), false},
		{"unknown user", with(func(a *account) { a.user = "pc1-99" }), false},
		{"wrong IQN", with(func(a *account) { a.initiator = iqn + "init:pc2" }), true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out, err := tt.discover(t, f, stranger)
			if strings.Contains(out, "Target:") || !tt.proved && (err == nil || !loginFailure.MatchString(out)) {
				t.Errorf("discovery shows %q (%v), want a login failure", out, err)
			}
			if out, err := tt.inquire(t, f, stranger); err == nil || !loginFailure.MatchString(out) {
				t.Errorf("opening the disk: %q (%v), want a login failure", out, err)
			}
		})
	}
	t.Run("another's disk", func(t *testing.T) {
		a := with(func(a *account) { a.target = iqn + other.Name() })
		if out, err := a.inquire(t, f, stranger); err == nil || !loginFailure.MatchString(out) {
			t.Errorf("%s's secret on %s's disk: %q (%v), want a login failure", pc.Name(), other.Name(), out, err)
		}
	})
	t.Run("not where the rules say", func(t *testing.T) {
		for _, rule := range []string{"--lease", "--from=10.77.0.96/27"} {
			f.cli("machine", "set", pc.Name(), rule)
			if out, _ := good.discover(t, f, stranger); strings.Contains(out, "Target:") {
				t.Errorf("%s: discovery shows %q", rule, out)
			}
			if out, err := good.inquire(t, f, stranger); err == nil || !strings.Contains(out, "(514)") {
				t.Errorf("%s: opening the disk: %q (%v), want it forbidden", rule, out, err)
			}
		}
		f.cli("machine", "set", pc.Name(), "--lease=false", "--from=none")
		for _, rule := range []string{`rule "lease" asks for`, `rule "from" of `} {
			if len(f.events(pc.Name(), rule)) == 0 {
				t.Errorf("the timeline does not name the %s:\n%s", rule, f.cli("boot", "log", pc.Name()))
			}
		}
	})
	t.Run("another's script", func(t *testing.T) {
		out, err := stranger.Run(t.Context(), "curl", "-sS", "-w", " %{http_code}",
			"http://"+f.Net.Server().Addr().String()+"/ipxe/52-54-00-00-00-01")
		if err != nil || !strings.HasSuffix(string(out), "403") {
			t.Errorf("script for a stranger: %q (%v), want 403", out, err)
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for i, g := range []*guest{pc, other} {
		f.waitFor(ctx, g.Name(), "refused")
		if now := own(g); !slices.Equal(now, before[i]) {
			t.Errorf("the sessions of %s were disturbed: its log said %q, and now %q", g.Name(), before[i], now)
		}
		g.run("dd if=/dev/urandom of=/root/after bs=64k count=4 conv=fsync 2>/dev/null")
		g.noErrors()
	}
}

// renewLease has the guest ask for more time with its address, and returns the
// address of the lease that it gets.
const renewLease = `card=$(ip -o route get 10.77.0.1 | sed 's/.* dev \([^ ]*\).*/\1/')
lease=/run/systemd/netif/leases/$(cat /sys/class/net/$card/ifindex)
rm "$lease" && networkctl renew $card
for i in $(seq 100); do test ! -s "$lease" || break; sleep 0.2; done
sed -n 's/^ADDRESS=//p' "$lease"`

func testServerKilled(t *testing.T, f *fixture, guests ...*guest) {
	during(t, f, guests...)
	machines, volumes := f.machines(), names(t, f)
	accounts, addresses := map[*guest]account{}, map[*guest]string{}
	for _, g := range guests {
		accounts[g], addresses[g] = g.account(), g.address()
		g.startLoad()
	}
	for _, by := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM, syscall.SIGKILL} {
		var stuck []int
		outage(t, f, by, func() {
			time.Sleep(6 * time.Second)
			for _, g := range guests {
				stuck = append(stuck, g.loaded())
			}
		}, guests...)
		for i, g := range guests {
			g.loadBeyond(stuck[i]+3, 2*time.Minute)
		}
	}
	for _, g := range guests {
		t.Logf("%s has written %d files", g.Name(), g.endLoad())
		g.noErrors()
		g.want("systemctl is-active iscsid", "active")
		if now := g.account(); now != accounts[g] {
			t.Errorf("account of %s was %+v, is %+v", g.Name(), accounts[g], now)
		}
		checkAccount(t, f, f.Net, accounts[g])
		g.want(renewLease, addresses[g])
		g.want("journalctl -b -u systemd-networkd --no-pager -o cat | grep -i 'lease lost' || echo kept", "kept")
		if now := g.address(); now != addresses[g] {
			t.Errorf("address of %s was %s, is %s", g.Name(), addresses[g], now)
		}
	}
	if now := f.machines(); now != machines {
		t.Errorf("machines were %s, are %s", machines, now)
	}
	if now := names(t, f); now != volumes {
		t.Errorf("volumes were %s, are %s", volumes, now)
	}
}

func names(t *testing.T, f *fixture) string {
	t.Helper()
	var l api.VolumeList
	f.json(&l, "volume", "list")
	var s []string
	for _, v := range l.Volumes {
		s = append(s, v.ID)
	}
	return strings.Join(s, " ")
}

// machines is all machines, without what grows with time.
func (f *fixture) machines() string {
	f.t.Helper()
	var all []api.Machine
	f.json(&all, "machine", "list")
	for i := range all {
		all[i].LastBoot = nil
	}
	b, err := json.Marshal(all)
	if err != nil {
		f.t.Fatal(err)
	}
	return string(b)
}

// makeData makes a data file system on the EFI system partition of a guest that
// needs none. Its journal and tables have their place on the server's disk from
// the start, as if they had been used for long: mkfs, and the kernel some seconds
// after mount, zero them by commands that may free their space, so the first does it at
// once, the second is not to, and all is written anew. Only files need new space, and
// no list of their pieces does: in blocks of 4 KiB the inode has room for it.
const makeData = `set -e; disk=/dev/disk/by-partlabel/ESP; modprobe ext4
mkfs.ext4 -q -F -b 4096 -E nodiscard,lazy_itable_init=0 $disk
dd if=$disk of=/run/image bs=1M 2>/dev/null && dd if=/run/image of=$disk bs=1M conv=fsync 2>/dev/null && rm /run/image
mkdir -p /mnt && mount -o noinit_itable $disk /mnt && fstrim /mnt && sync`

// testLimit fills the data file system of one machine up to its volume's limit.
// The root file system is frozen meanwhile: it would not survive a write error.
func testLimit(t *testing.T, f *fixture, other, full *guest) {
	during(t, f, other, full)
	full.run("(" + makeData + ")")
	full.run("sync; dd if=/dev/urandom of=/run/fill bs=1M count=20 2>&1; fsfreeze --freeze /")
	other.startLoad()
	v := f.volume(full.Name())
	f.cli("volume", "set", v.ID, "--limit", fmt.Sprint(v.Stored+4<<20))

	// ext4 makes an I/O error of every error that it meets when it writes back
	// what was buffered; a direct write is told the reason.
	const fill = "dd if=/run/fill of=/mnt/fill bs=1M conv=fsync 2>&1"
	if out, err := full.try(fill); err == nil || !strings.Contains(out, "Input/output error") && !strings.Contains(out, "No space left on device") {
		t.Errorf("filling beyond the limit: %q (%v), want an error", out, err)
	}
	if out, err := full.try(fill + " oflag=direct"); err == nil || !strings.Contains(out, "No space left on device") {
		t.Errorf("filling beyond the limit by direct writes: %q (%v), want: No space left on device", out, err)
	}
	full.want("findmnt -no OPTIONS /mnt | cut -c 1-3", "rw,")
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	f.waitFor(ctx, full.Name(), "at the limit its writes fail")
	// The guest is told when it next asks for something.
	full.want("dd if=/dev/disk/by-partlabel/ESP of=/dev/null bs=4k count=1 iflag=direct 2>/dev/null; "+
		"dmesg | grep -ci 'thin provisioning soft threshold'", "1")
	other.loadBeyond(other.loaded()+3, time.Minute)

	raised := v.Stored + 512<<20
	f.cli("volume", "set", v.ID, "--limit", fmt.Sprint(raised))
	full.run("fsfreeze --unfreeze /")
	full.run("rm -f /mnt/fill; " + fill)
	full.run("echo 3 > /proc/sys/vm/drop_caches; cmp /run/fill /mnt/fill; rm /mnt/fill; umount /mnt")
	full.run("echo well > /root/well; sync")
	if v := f.volume(full.Name()); v.Limit != raised || v.Stored > raised {
		t.Errorf("volume %s holds %d bytes and may hold %d, want %d", v.ID, v.Stored, v.Limit, raised)
	}
	t.Logf("%s has written %d files", other.Name(), other.endLoad())
	other.noErrors()
}

// waitFreed waits until the space of a removed volume is given back.
func waitFreed(t *testing.T, f *fixture, id string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(500 * time.Millisecond) {
		var l api.VolumeList
		f.json(&l, "volume", "list")
		if l.Freeing == 0 && !slices.ContainsFunc(l.Volumes, func(v api.Volume) bool { return v.ID == id }) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("space of %s is not freed: %+v", id, l)
		}
	}
}
