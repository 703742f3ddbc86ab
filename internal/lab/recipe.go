package lab

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// RecipePrograms are the programs that the classic recipe needs.
var RecipePrograms = []string{"dnsmasq", "tgtd", "tgtadm"}

// CacheDir keeps golden images from one run to the next.
const CacheDir = "/var/cache/bootes-lab"

// ipxeDir is where Debian's ipxe puts the boot loaders.
const ipxeDir = "/usr/lib/ipxe/"

// RecipeMachine is a machine that the classic recipe boots.
type RecipeMachine struct {
	Name   string // host name
	MAC    string
	Image  string // raw disk; the machine gets a full copy of it
	User   string // CHAP; default: none
	Secret string
	// Portal is where the machine is told to find its target, in place of tgt.
	Portal netip.AddrPort
	// Identity is a tar file that is offered beside the disk as the disk
	// "IDENTITY", as Boötes does; default: none.
	Identity string
}

// Recipe is the classic way to boot machines without disks: dnsmasq for DHCP and
// TFTP, tgt for iSCSI, an iPXE script per machine, and a plain copy of the image
// for each. It is the peer that benchmarks compare with, and shows that an image
// boots without us.
type Recipe struct {
	net     *Net
	dir     string
	DHCP    *Process
	Target  *Process
	control string // tgtd's control port, for tgtadm
}

// RecipeIQN is the name of a machine's target.
func RecipeIQN(machine string) string { return "iqn.2026-01.dev.bootes.recipe:" + machine }

// RecipeInitiator is a machine's initiator name.
func RecipeInitiator(machine string) string { return RecipeIQN("init:" + machine) }

// StartRecipe sets the recipe up for some machines. It ends with the network.
func (n *Net) StartRecipe(ctx context.Context, machines ...RecipeMachine) (*Recipe, error) {
	r := &Recipe{net: n, dir: n.Path("recipe"), control: fmt.Sprint(1 + os.Getpid()%30000)}
	if err := r.start(ctx, machines); err != nil {
		return nil, fmt.Errorf("start classic recipe: %w", err)
	}
	return r, nil
}

func (r *Recipe) start(ctx context.Context, machines []RecipeMachine) error {
	if err := os.MkdirAll(r.dir, 0o755); err != nil {
		return err
	}
	for _, name := range []string{"undionly.kpxe", "snponly.efi"} {
		if err := copyFile(filepath.Join(r.dir, name), ipxeDir+name); err != nil {
			return fmt.Errorf("copy boot loader (Debian package ipxe): %w", err)
		}
	}
	if err := r.StartTarget(ctx); err != nil {
		return err
	}
	for i, m := range machines {
		if err := r.addMachine(ctx, i+1, m); err != nil {
			return fmt.Errorf("add machine %q: %w", m.Name, err)
		}
	}
	return r.startDHCP(machines)
}

// startDHCP starts dnsmasq. A first loader goes to plain ROMs by architecture
// (option 93); who sends option 175 is iPXE and gets its machine's script.
func (r *Recipe) startDHCP(machines []RecipeMachine) error {
	server := r.net.server.Addr()
	args := []string{
		"--keep-in-foreground", "--log-facility=-", "--log-dhcp", "--conf-file=/dev/null", "--user=root",
		"--port=0", "--interface=" + Bridge, "--bind-interfaces", "--except-interface=lo",
		"--dhcp-leasefile=" + r.net.Path("dnsmasq.leases"), "--pid-file",
		fmt.Sprintf("--dhcp-range=%s,static,12h", r.net.server.Masked().Addr()),
		"--dhcp-authoritative", "--dhcp-no-override",
		"--enable-tftp", "--tftp-root=" + r.dir,
		"--dhcp-match=set:ipxe,175", "--dhcp-match=set:efi,option:client-arch,7",
		fmt.Sprintf("--dhcp-option=option:dns-server,%s", server),
		"--dhcp-option=tag:ipxe,175,b0:01:01", // no-pxedhcp: do not wait 2 s for a proxy
		"--dhcp-boot=tag:!ipxe,tag:!efi,undionly.kpxe",
		"--dhcp-boot=tag:!ipxe,tag:efi,snponly.efi",
		fmt.Sprintf("--dhcp-boot=tag:ipxe,tftp://%s/boot.ipxe", server),
	}
	addr := server
	for range 10 {
		addr = addr.Next()
	}
	for _, m := range machines {
		args = append(args, fmt.Sprintf("--dhcp-host=%s,%s,%s", m.MAC, addr, m.Name))
		addr = addr.Next()
	}
	script := "#!ipxe\nchain tftp://${next-server}/${mac:hexhyp}.ipxe\n"
	if err := os.WriteFile(filepath.Join(r.dir, "boot.ipxe"), []byte(script), 0o644); err != nil {
		return err
	}
	var err error
	r.DHCP, err = r.net.Start(Program{Path: "dnsmasq", Args: args})
	return err
}

// StartTarget starts tgtd without any targets.
func (r *Recipe) StartTarget(ctx context.Context) error {
	var err error
	r.Target, err = r.net.Start(Program{
		Path: "tgtd", Env: r.targetEnv(),
		Args: []string{"-f", "-C", r.control, "--iscsi", fmt.Sprintf("portal=%s:3260", r.net.server.Addr())},
	})
	if err != nil {
		return err
	}
	for {
		if _, err = r.Admin(ctx, "--mode", "sys", "--op", "show"); err == nil {
			return nil
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-r.Target.Done():
			return fmt.Errorf("start tgtd: it ended, see %s", r.Target.Log)
		case <-ctx.Done():
			return fmt.Errorf("start tgtd: %w: %w", ctx.Err(), err)
		}
	}
}

// targetEnv gives tgtd and tgtadm a control socket in the lab's folder, for the
// default one is shared by all of a computer's network namespaces.
func (r *Recipe) targetEnv() []string {
	return []string{"TGT_IPC_SOCKET=" + r.net.Path("tgt.ipc")}
}

// Admin runs tgtadm.
func (r *Recipe) Admin(ctx context.Context, args ...string) ([]byte, error) {
	full := append([]string{r.targetEnv()[0], "tgtadm", "-C", r.control, "--lld", "iscsi"}, args...)
	return r.net.Run(ctx, "env", full...)
}

func (r *Recipe) addMachine(ctx context.Context, tid int, m RecipeMachine) error {
	if err := copySparse(r.DiskOf(m.Name), m.Image); err != nil {
		return fmt.Errorf("copy image: %w", err)
	}
	if err := r.AddTarget(ctx, tid, m); err != nil {
		return err
	}
	mac, err := net.ParseMAC(m.MAC)
	if err != nil {
		return err
	}
	name := strings.ReplaceAll(mac.String(), ":", "-") + ".ipxe"
	return os.WriteFile(filepath.Join(r.dir, name), []byte(r.script(m)), 0o644)
}

// AddTarget offers a machine's disk as LUN 1 of target number tid; LUN 0 is tgt's
// own controller.
func (r *Recipe) AddTarget(ctx context.Context, tid int, m RecipeMachine) error {
	id := fmt.Sprint(tid)
	commands := [][]string{
		{"--mode", "target", "--op", "new", "--tid", id, "-T", RecipeIQN(m.Name)},
		{"--mode", "logicalunit", "--op", "new", "--tid", id, "--lun", "1", "-b", r.DiskOf(m.Name)},
		{"--mode", "logicalunit", "--op", "update", "--tid", id, "--lun", "1", "--params", "thin_provisioning=1"},
		{"--mode", "target", "--op", "bind", "--tid", id, "-I", "ALL"},
	}
	if m.Identity != "" {
		commands = append(commands,
			[]string{"--mode", "logicalunit", "--op", "new", "--tid", id, "--lun", "2", "-b", m.Identity},
			[]string{"--mode", "logicalunit", "--op", "update", "--tid", id, "--lun", "2",
				"--params", "product_id=IDENTITY,readonly=1"})
	}
	if m.User != "" {
		commands = append(commands,
			[]string{"--mode", "account", "--op", "new", "--user", m.User, "--password", m.Secret},
			[]string{"--mode", "account", "--op", "bind", "--tid", id, "--user", m.User})
	}
	for _, c := range commands {
		if out, err := r.Admin(ctx, c...); err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
	}
	return nil
}

// DiskOf is the file that holds a machine's disk.
func (r *Recipe) DiskOf(machine string) string { return filepath.Join(r.dir, machine+".raw") }

func (r *Recipe) script(m RecipeMachine) string {
	var b strings.Builder
	fmt.Fprintf(&b, "#!ipxe\nset hostname %s\nset initiator-iqn %s\n", m.Name, RecipeInitiator(m.Name))
	if m.User != "" {
		fmt.Fprintf(&b, "set username %s\nset password %s\n", m.User, m.Secret)
	}
	portal := m.Portal
	if !portal.IsValid() {
		portal = netip.AddrPortFrom(r.net.server.Addr(), 3260)
	}
	fmt.Fprintf(&b, "sanboot iscsi:%s::%d:1:%s\n", portal.Addr(), portal.Port(), RecipeIQN(m.Name))
	return b.String()
}

// copySparse copies a file and its holes.
func copySparse(to, from string) error {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	info, err := src.Stat()
	if err != nil {
		return err
	}
	dst, err := os.OpenFile(to, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer dst.Close()
	if err := dst.Truncate(info.Size()); err != nil {
		return err
	}
	for off := int64(0); ; {
		data, err := unix.Seek(int(src.Fd()), off, unix.SEEK_DATA)
		if err == unix.ENXIO {
			return dst.Close()
		} else if err != nil {
			return err
		}
		hole, err := unix.Seek(int(src.Fd()), data, unix.SEEK_HOLE)
		if err != nil {
			return err
		}
		if _, err := io.Copy(io.NewOffsetWriter(dst, data), io.NewSectionReader(src, data, hole-data)); err != nil {
			return err
		}
		off = hole
	}
}
