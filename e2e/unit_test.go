//go:build e2e

package e2e

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bootes.dev/internal/api"
	"bootes.dev/internal/lab"
)

// installUnit does what the README says, with what is on the disc.
const installUnit = `(set -e
mkdir -p /mnt/disc /etc/bootes /usr/lib/ipxe
mount -o ro /dev/sr0 /mnt/disc
useradd --system --user-group --home-dir /nonexistent --shell /usr/sbin/nologin bootes
install -m 755 /mnt/disc/bootes /usr/local/bin/
install -m 644 /mnt/disc/bootes.service /etc/systemd/system/
install -m 644 /mnt/disc/undionly.kpxe /mnt/disc/snponly.efi /usr/lib/ipxe/
nic=$(ls /sys/class/net | grep -v '^lo$' | head -n 1)
printf 'interfaces:\n  - name: %s\n    dhcp: auto\n' $nic > /etc/bootes/bootes.yaml
bootes serve --check-config
systemctl daemon-reload
systemctl start bootes)`

// TestUnit runs the server under a real systemd, in a guest, in the sandbox of
// its unit. Whatever that forbids and the server needs would show.
func TestUnit(t *testing.T) {
	t.Parallel()
	lab.Require(t, "genisoimage")
	f := newFixture(t, serverMode)
	disc := filepath.Join(t.TempDir(), "disc.iso")
	if out, err := exec.Command("genisoimage", "-quiet", "-r", "-J", "-o", disc, program, "../dist/bootes.service",
		"/usr/lib/ipxe/undionly.kpxe", "/usr/lib/ipxe/snponly.efi").CombinedOutput(); err != nil {
		t.Fatalf("genisoimage: %v: %s", err, out)
	}
	f.cli("image", "import", "disc:1", disc, "--cdrom")
	pc := f.guest("pc1", "52:54:00:00:00:01", api.Ephemeral, lab.BIOS)
	f.cli("machine", "attach", "pc1", "--image", "disc:1")
	boot(t, pc)
	pc.run(installUnit)
	pc.until("bootes machine list >/dev/null 2>&1 && echo yes", "yes", time.Minute)
	pc.want("systemctl is-active bootes", "active")
	pc.want("ps -o user= -C bootes", "bootes")
	pc.want("stat -c '%U %a' /var/lib/bootes /run/bootes", "bootes 700\nbootes 755")
	pc.run("head -c 1M /dev/urandom > /root/own.raw && chmod 600 /root/own.raw && bootes image import own:1 /root/own.raw")
	pc.run("bootes volume create data1 --size 64M && bootes volume snapshot data1 one && bootes volume backup data1@one - | wc -c")
	pc.until("bootes dhcp-status -o json | grep -o '\"server\": \"10.77.0.1\"'", `"server": "10.77.0.1"`, time.Minute)
	pc.run("systemctl restart bootes")
	pc.until("bootes image list 2>/dev/null | grep -o own:1", "own:1", time.Minute)
	if log := pc.run("journalctl -u bootes --no-pager"); strings.Contains(log, "not permitted") || strings.Contains(log, "packets of machines are not kept") || strings.Contains(log, "ERROR") {
		t.Errorf("the unit's log:\n%s", log)
	}
}
