//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
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
	f := newFixture(t, serverMode)
	before := f.imageHash()
	pc1 := f.guest("pc1", "52:54:00:00:00:01", api.Persistent, lab.BIOS)
	pc2 := f.guest("pc2", "52:54:00:00:00:02", api.Ephemeral, lab.UEFI)
	boot(t, pc1, pc2)

	t.Run("each machine is itself", func(t *testing.T) { testIdentity(t, f, pc1, pc2) })
	t.Run("a stranger gets nothing", func(t *testing.T) { testStrangers(t, f, pc1) })
	t.Run("a killed server is not noticed", func(t *testing.T) { testServerKilled(t, f, pc1, pc2) })
	t.Run("a full volume fails alone", func(t *testing.T) { testLimit(t, f, pc1, pc2) })

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
		g.want("cat /sys/class/iscsi_session/session*/recovery_tmo", "off")
		g.want("cat /sys/class/iscsi_connection/connection*/ping_tmo", "0")
		g.want("systemctl is-system-running --wait", "running")
		g.run("dd if=/dev/urandom of=/root/gone bs=1M count=32 conv=fsync 2>&1; rm /root/gone; sync")
		full := f.volume(g.Name()).Stored
		g.run("fstrim /")
		if left := f.volume(g.Name()).Stored; left > full-24<<20 {
			t.Errorf("%s discarded 32 MiB, and its volume went from %d to %d bytes", g.Name(), full, left)
		}
		g.noErrors()
	}
	if a, b := guests[0].run(identityCommand), guests[1].run(identityCommand); a == b {
		t.Errorf("twins: %q", a)
	}
}

// testStrangers tries to reach a running machine's disk without its secret.
func testStrangers(t *testing.T, f *fixture, pc *guest) {
	during(t, f, pc)
	lab.Require(t, "iscsi-ls", "curl")
	const target = "iqn.2026-01.dev.bootes:pc1"
	const initiator = "iqn.2026-01.dev.bootes:init:pc1"
	user := pc.run("cat /sys/firmware/ibft/target0/chap-name")
	secret := pc.run("cat /sys/firmware/ibft/target0/chap-secret")
	server := f.Net.Server().Addr().String()

	for _, tt := range []struct{ name, initiator, url string }{
		{"no CHAP", initiator, "iscsi://" + server},
		{"wrong secret", initiator, "iscsi://" + user + "%wrongwrongwrong@" + server},
		{"unknown user", initiator, "iscsi://pc1-99%" + secret + "@" + server},
		{"wrong IQN", "iqn.2026-01.dev.bootes:init:pc2", "iscsi://" + user + "%" + secret + "@" + server},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out, err := f.Net.Run(t.Context(), "iscsi-ls", "-i", tt.initiator, tt.url)
			if err == nil || strings.Contains(string(out), target) {
				t.Errorf("discovery shows %q (%v), want a login failure", out, err)
			}
			out, err = f.Net.Run(t.Context(), "iscsi-inq", "-i", tt.initiator, tt.url+"/"+target+"/0")
			if err == nil {
				t.Errorf("login succeeded: %s", out)
			}
		})
	}
	t.Run("right secret sees its own target only", func(t *testing.T) {
		out, err := f.Net.Run(t.Context(), "iscsi-ls", "-i", initiator, "iscsi://"+user+"%"+secret+"@"+server)
		if err != nil || !strings.Contains(string(out), target) || strings.Contains(string(out), ":pc2") {
			t.Errorf("discovery shows %q (%v), want %s alone", out, err, target)
		}
	})
	t.Run("another's script", func(t *testing.T) {
		out, err := f.Net.Run(t.Context(), "curl", "-sS", "-w", " %{http_code}", "http://"+server+"/ipxe/52-54-00-00-00-01")
		if err != nil || !strings.HasSuffix(string(out), "403") {
			t.Errorf("script for a stranger: %q (%v), want 403", out, err)
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	f.waitFor(ctx, "pc1", "refused")
	pc.run("dd if=/dev/urandom of=/root/after bs=64k count=4 conv=fsync 2>/dev/null")
	pc.noErrors()
}

// writeAndCheck writes files, remembers their sums, and reads all of them back
// from the disk.
const writeAndCheck = `cat > /root/load.sh <<'EOF'
rm -f /root/sums; mkdir -p /root/load
i=0; while [ $i -lt 40 ]; do
  dd if=/dev/urandom of=/root/load/f$i bs=64k count=8 2>/dev/null || echo WRITE-FAILED >> /root/bad
  md5sum /root/load/f$i >> /root/sums
  [ $((i % 8)) = 0 ] && sync
  i=$((i+1)); sleep 0.3
done
sync; echo 3 > /proc/sys/vm/drop_caches
md5sum -c --quiet /root/sums && ! test -e /root/bad && echo good > /root/result || echo bad > /root/result
EOF
rm -f /root/result; setsid sh /root/load.sh > /dev/null 2>&1 &`

func testServerKilled(t *testing.T, f *fixture, guests ...*guest) {
	during(t, f, guests...)
	var machines, volumes [2]string
	machines[0], volumes[0] = f.cli("machine", "list", "-o", "json"), names(t, f)
	for _, g := range guests {
		g.run(writeAndCheck)
	}
	for range 2 {
		time.Sleep(4 * time.Second)
		if err := f.Server().Signal(syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		<-f.Server().Done()
		time.Sleep(6 * time.Second)
		f.serve()
	}
	for _, g := range guests {
		g.want("while ! test -e /root/result; do sleep 1; done; cat /root/result", "good")
		g.noErrors()
		g.want("systemctl is-active iscsid", "active")
	}
	machines[1], volumes[1] = f.cli("machine", "list", "-o", "json"), names(t, f)
	if stripLastBoot(t, machines[0]) != stripLastBoot(t, machines[1]) || volumes[0] != volumes[1] {
		t.Errorf("the restarted server has machines %s and volumes %s; want %s and %s", machines[1], volumes[1], machines[0], volumes[0])
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

// stripLastBoot takes what grows with time out of a list of machines.
func stripLastBoot(t *testing.T, list string) string {
	t.Helper()
	var all []api.Machine
	if err := json.Unmarshal([]byte(list), &all); err != nil {
		t.Fatal(err)
	}
	for i := range all {
		all[i].LastBoot = nil
	}
	return fmt.Sprint(all)
}

// testLimit fills the data file system (the EFI system partition serves) of
// one machine up to its volume's limit. The root file system is frozen
// meanwhile: it would not survive a write error.
func testLimit(t *testing.T, f *fixture, other, full *guest) {
	during(t, f, other, full)
	full.run("sync; modprobe vfat; mkdir -p /mnt; mount /dev/disk/by-partlabel/ESP /mnt")
	full.run("fsfreeze --freeze /")
	v := f.volume(full.Name())
	f.cli("volume", "set", v.ID, "--limit", fmt.Sprint(v.Stored+4<<20))

	const fill = "dd if=/dev/urandom of=/mnt/fill bs=1M count=20 conv=fsync 2>&1"
	if out, err := full.try(fill); err == nil || !strings.Contains(out, "No space left on device") {
		t.Errorf("filling beyond the limit: %q (%v), want: No space left on device", out, err)
	}
	other.run("dd if=/dev/urandom of=/root/more bs=1M count=8 conv=fsync 2>&1")
	other.noErrors()

	f.cli("volume", "set", v.ID, "--limit", "none")
	full.run("fsfreeze --unfreeze /")
	full.run("rm -f /mnt/fill; " + fill)
	full.run("cmp /mnt/fill /mnt/fill; rm /mnt/fill; umount /mnt")
	full.run("echo well > /root/well; sync")
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
