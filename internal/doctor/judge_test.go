package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"bootes.dev/internal/config"
	"bootes.dev/internal/cow"
	"bootes.dev/internal/dhcp"
	"bootes.dev/internal/diskspace"
)

// lines are findings as "status text -> remedy".
func lines(all []Finding) string {
	var b strings.Builder
	for _, f := range all {
		fmt.Fprintf(&b, "%s %s", f.Status, f.Text)
		if f.Remedy != "" {
			fmt.Fprintf(&b, " -> %s", f.Remedy)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func expect(t *testing.T, name string, got []Finding, want ...string) {
	t.Helper()
	if text := strings.Join(want, "\n") + "\n"; lines(got) != text {
		t.Errorf("%s:\n%swant:\n%s", name, lines(got), text)
	}
}

func TestJudgeConfig(t *testing.T) {
	cfg := config.Default()
	cfg.File = "/etc/bootes/bootes.yaml"
	missing := fmt.Errorf("no config file: %w", fs.ErrNotExist)
	expect(t, "missing", judgeConfig(cfg, missing),
		"warn there is no config file yet; what follows is for the defaults, on every interface that is up -> bootes serve --print-config > /etc/bootes/bootes.yaml, and write the interface to serve into it")
	_, faulty := config.Parse("b.yaml", []byte("dta: /x\n"))
	got := lines(judgeConfig(cfg, faulty))
	if !strings.HasPrefix(got, "fail b.yaml:1:1: ") || !strings.Contains(got, "--check-config") {
		t.Errorf("faulty: %s", got)
	}
	expect(t, "unreadable", judgeConfig(cfg, errors.New("read config: no")), "fail read config: no")
	expect(t, "empty", judgeConfig(cfg, nil), "fail /etc/bootes/bootes.yaml names no interface -> write the ones to serve under interfaces: in it")
	cfg.Interfaces = []config.Interface{{Name: "eth0"}}
	expect(t, "good", judgeConfig(cfg, nil), "ok /etc/bootes/bootes.yaml is good")
}

func TestJudgeServer(t *testing.T) {
	expect(t, "none", judgeServer(nil, nil, "1.0"), "ok none runs on this computer")
	expect(t, "runs", judgeServer(&Server{"1.0", 7}, nil, "1.0"), "ok bootes 1.0 runs (pid 7)")
	expect(t, "older", judgeServer(&Server{"0.9", 7}, nil, "1.0"), "warn bootes 0.9 runs (pid 7), and this program is 1.0 -> systemctl restart bootes")
	expect(t, "denied", judgeServer(nil, errors.New("permission denied"), "1.0"),
		"warn it cannot be asked: permission denied -> run this as root, or as a member of the group that the config names under api:")
}

func TestJudgeLink(t *testing.T) {
	at := func(p string, leased bool) []address { return []address{{netip.MustParsePrefix(p), leased}} }
	good := link{name: "eth0", mode: config.Proxy, up: true, carrier: true, mtu: 1500, addrs: at("10.0.0.1/24", false)}
	change := func(f func(*link)) link { l := good; f(&l); return l }
	for _, tt := range []struct {
		name string
		link
		want []string
	}{
		{"good", good, []string{"ok up, 10.0.0.1/24"}},
		{"missing", link{name: "eth7", err: errors.New("there is no such interface")},
			[]string{"fail there is no such interface -> write the name of one that there is under interfaces: in the config (`ip link` lists them)"}},
		{"down", change(func(l *link) { l.up = false }), []string{"fail it is down -> ip link set eth0 up, and bring it up at each start of this computer"}},
		{"no carrier", change(func(l *link) { l.carrier = false }), []string{"fail it is up, but has no link -> look at the cable and at the switch's port"}},
		{"empty bridge", change(func(l *link) { l.carrier, l.bridge = false, &bridge{} }),
			[]string{"warn it is a bridge without a port -> put the network card that leads to the machines into it: ip link set CARD master eth0"}},
		{"no address", change(func(l *link) { l.addrs = nil }), []string{"ok up",
			"fail it has no IPv4 address -> ip addr add ADDRESS/LENGTH dev eth0, and keep it in this computer's network settings"}},
		{"leased", change(func(l *link) { l.addrs = at("10.0.0.1/24", true) }), []string{"ok up, 10.0.0.1/24",
			"warn its address 10.0.0.1 comes from a DHCP server and may change: machines that run would lose their disks -> give this computer a static address"}},
		{"other network", change(func(l *link) { l.served = netip.MustParsePrefix("10.9.0.0/16") }), []string{"ok up, 10.0.0.1/24",
			"fail it has no address in 10.9.0.0/16, the network that the config says this is -> ip addr add ADDRESS/16 dev eth0, or correct prefix: in the config"}},
		{"wireless", change(func(l *link) { l.wireless = true }), []string{"ok up, 10.0.0.1/24",
			"warn it is wireless: most access points drop frames that are not their own stations', and firmware has no Wi-Fi -> serve machines by a cable"}},
		{"small MTU", change(func(l *link) { l.mtu = 1400 }), []string{"ok up, 10.0.0.1/24",
			"fail its MTU is 1400, and firmware sends frames of up to 1500 bytes -> ip link set eth0 mtu 1500"}},
		{"jumbo", change(func(l *link) { l.mtu = 9000; l.bridge = &bridge{mtus: map[string]int{"port1": 1500}} }), []string{"ok up, 10.0.0.1/24",
			"warn its MTU is 9000: every switch on the way, and the system on every machine, must take such frames -> unless they do: ip link set eth0 mtu 1500",
			"fail its port port1 has an MTU of 1500: larger frames are lost there without a word -> ip link set port1 mtu 9000"}},
		{"spanning tree", change(func(l *link) {
			l.bridge = &bridge{stp: true, delay: 15 * time.Second, mtus: map[string]int{"port1": 1500}}
		}), []string{"ok up, 10.0.0.1/24",
			"warn it is a bridge with spanning tree: each port stays silent for 30s after its link comes up, and firmware and iPXE do not wait as long -> " +
				"ip link set eth0 type bridge stp_state 0, if nothing else connects its ports; on a switch: PortFast, or \"edge port\", for the ports of machines"}},
	} {
		expect(t, tt.name, judgeLink(tt.link), tt.want...)
	}
}

func TestJudgePorts(t *testing.T) {
	tftp := need{"udp", 69, "", "TFTP", "ports.tftp"}
	dhcp := need{"udp", 67, "eth0", "DHCP", ""}
	taken := &fs.PathError{Op: "bind", Err: syscall.EADDRINUSE}
	for _, tt := range []struct {
		name string
		port
		want string
	}{
		{"free", port{need: tftp}, "ok free: udp 69 (TFTP)"},
		{"ours", port{need: tftp, err: taken, holder: holder{name: "bootes", pid: 5, ours: true}}, "ok in use by the server: udp 69 (TFTP)"},
		{"by a unit", port{need: tftp, err: taken, holder: holder{name: "in.tftpd", pid: 5, unit: "tftpd-hpa.service"}},
			"fail udp 69 (TFTP) is taken by tftpd-hpa (pid 5, tftpd-hpa.service) -> systemctl disable --now tftpd-hpa.service; or set another ports.tftp in the config"},
		{"by hand", port{need: tftp, err: taken, holder: holder{name: "python3", pid: 5}},
			"fail udp 69 (TFTP) is taken by python3 (pid 5) -> stop python3; or set another ports.tftp in the config"},
		{"libvirt", port{need: dhcp, err: taken, holder: holder{name: "dnsmasq", pid: 5, command: "/usr/sbin/dnsmasq --conf-file=/var/lib/libvirt/dnsmasq/default.conf", unit: "libvirtd.service"}},
			"fail udp 67 (DHCP) on eth0 is taken by libvirt's dnsmasq, the DHCP server of its virtual networks (pid 5, libvirtd.service) -> " +
				"it needs its own bridge alone; if no virtual machine uses that network: virsh net-destroy default && virsh net-autostart --disable default; " +
				"or, if that server is on this computer for good, serve from another one: no two programs share port 67"},
		{"Pi-hole", port{need: need{"tcp", 80, "", "HTTP", "ports.http"}, err: taken, holder: holder{name: "pihole-FTL", pid: 5, unit: "pihole-FTL.service"}},
			"fail tcp 80 (HTTP) is taken by Pi-hole (pid 5, pihole-FTL.service) -> switch off its DHCP server, or move its web page to another port, in its settings; or set another ports.http in the config"},
		{"resolved", port{need: tftp, err: taken, holder: holder{name: "systemd-resolve", pid: 5, unit: "systemd-resolved.service"}},
			"fail udp 69 (TFTP) is taken by systemd-resolved, the local DNS resolver (pid 5, systemd-resolved.service) -> systemctl disable --now systemd-resolved.service; or set another ports.tftp in the config"},
		{"unknown", port{need: tftp, err: taken},
			"fail udp 69 (TFTP) is taken by another program -> as root, `ss -lnp -u 'sport = :69'` names it; or set another ports.tftp in the config"},
		{"the kernel's target", port{need: need{"tcp", 3260, "", "iSCSI", "ports.iscsi"}, err: taken},
			"fail tcp 3260 (iSCSI) is taken by another program -> the kernel's own target may have it: targetcli ls; or set another ports.iscsi in the config"},
		{"a user", port{need: tftp, err: syscall.EACCES}, "warn not looked at, since this user may not open them: udp 69 (TFTP) -> run this as root"},
		{"else", port{need: tftp, err: syscall.EINVAL}, "fail udp 69 (TFTP) cannot be opened: invalid argument"},
	} {
		expect(t, tt.name, judgePorts([]port{tt.port}), tt.want)
	}
	expect(t, "no such interface", judgePorts([]port{{need: dhcp, err: syscall.ENODEV}, {need: tftp}}), "ok free: udp 69 (TFTP)")
}

func TestJudgeRivals(t *testing.T) {
	server := dhcp.Rival{Interface: "eth0", Source: netip.MustParseAddr("10.0.0.2"), Offered: netip.MustParseAddr("10.0.0.77")}
	boots := server
	boots.BootFile, boots.NextServer = "pxelinux.0", netip.MustParseAddr("10.0.0.3")
	proxy := dhcp.Rival{Interface: "eth0", Source: netip.MustParseAddr("10.0.0.4"), BootFile: "ipxe.efi"}
	for _, tt := range []struct {
		name string
		mode config.Mode
		hearing
		want string
	}{
		{"alone", config.Server, hearing{}, "ok none answers on eth0"},
		{"two servers", config.Server, hearing{rivals: []dhcp.Rival{server}},
			"fail 10.0.0.2 on eth0 gives addresses, too (10.0.0.77): two servers on one network give out clashing ones -> switch that one off, or write dhcp: proxy for eth0 in the config"},
		{"as it should be", config.Proxy, hearing{rivals: []dhcp.Rival{server}}, "ok 10.0.0.2 on eth0 gives addresses, and says nothing of booting"},
		{"nobody", config.Proxy, hearing{}, "warn none answers on eth0, where we give no addresses: machines there get none -> if no other server is meant to: dhcp: server and range: for eth0 in the config"},
		{"it boots, too", config.Auto, hearing{rivals: []dhcp.Rival{boots}},
			"warn 10.0.0.2 on eth0 gives addresses, and tells machines to boot \"pxelinux.0\" from 10.0.0.3 itself: some firmware takes its word and not ours -> " +
				"take the boot file out of that server, or have it name ours: `bootes dhcp-snippet`"},
		{"two proxies", config.Proxy, hearing{rivals: []dhcp.Rival{server, proxy}},
			"ok 10.0.0.2 on eth0 gives addresses, and says nothing of booting\n" +
				"warn 10.0.0.4 on eth0 tells machines to boot \"ipxe.efi\" and gives no addresses: a second proxy -> machines take either's word; switch one of the two off"},
		{"a user", config.Proxy, hearing{err: fmt.Errorf("look for DHCP servers: %w", syscall.EPERM)}, "warn none was looked for on eth0: only root may -> run this as root"},
	} {
		tt.link = link{name: "eth0", mode: tt.mode}
		expect(t, tt.name, judgeRivals([]hearing{tt.hearing}), tt.want)
	}
}

func TestJudgeDisk(t *testing.T) {
	good := disk{
		dir: "/d", at: "/d", space: diskspace.Space{Capacity: 100 << 30, Free: 50 << 30, Kind: unix.EXT4_SUPER_MAGIC}, keep: 1 << 30,
		syncs: []time.Duration{300 * time.Microsecond, 200 * time.Microsecond, 4 * time.Millisecond},
	}
	change := func(f func(*disk)) disk { d := good; f(&d); return d }
	const (
		format = "ok data folder /d is in a format that this program knows"
		space  = "ok 50 GiB free of 100 GiB, of which images and volumes may take 49 GiB"
		kind   = "ok file system: ext4"
		syncs  = "ok a sync of 4 KiB takes 300µs, at worst 4ms"
	)
	for _, tt := range []struct {
		name string
		disk
		want []string
	}{
		{"good", good, []string{format, space, kind, syncs}},
		{"new", change(func(d *disk) { d.at = "/" }), []string{"ok data folder /d will be made, on the file system of /", space, kind, syncs}},
		{"newer", change(func(d *disk) { d.format = fmt.Errorf("it is in format 9: %w", cow.ErrVersion) }),
			[]string{"fail data folder /d: it is in format 9: " + cow.ErrVersion.Error() + " -> run the bootes that made it, or name another folder in data:", space, kind, syncs}},
		{"another user's", change(func(d *disk) { d.format = fs.ErrPermission }),
			[]string{"warn data folder /d was not looked into: permission denied -> run this as root", space, kind, syncs}},
		{"damaged", change(func(d *disk) { d.format = errors.New("no meta file") }),
			[]string{"fail data folder /d: no meta file -> restore it from a backup, or name another folder in data:", space, kind, syncs}},
		{"unreachable", disk{dir: "/d", err: errors.New("stat /d: no")}, []string{"fail data folder /d: stat /d: no -> correct data: in the config, or the rights of that folder"}},
		{"full", change(func(d *disk) { d.space.Free = 1 << 29 }), []string{format,
			"fail 512 MiB free of 100 GiB, of which images and volumes may take 0 B: every machine's writes fail -> free some space, or lower limits.min_free, which is 1 GiB", kind, syncs}},
		{"little", change(func(d *disk) { d.space.Free = 3 << 30 }), []string{format,
			"warn 3 GiB free of 100 GiB, of which images and volumes may take 2 GiB -> a golden image and what machines write on it want more; `bootes df` shows what takes how much", kind, syncs}},
		{"tmpfs", change(func(d *disk) { d.space.Kind = unix.TMPFS_MAGIC }), []string{format, space,
			"warn it is tmpfs: all that is in it is gone when this computer restarts -> put data: on a disk", syncs}},
		{"never seen", change(func(d *disk) { d.space.Kind = 0x1234 }), []string{format, space,
			"warn its file system (0x1234) is one that was never tried -> ext4 and XFS are what the numbers in the documents were taken on", syncs}},
		{"old kernel", change(func(d *disk) { d.nowait = syscall.EOPNOTSUPP }), []string{format, space,
			"warn ext4, whose kernel cannot read without waiting (operation not supported): reads are slower -> a kernel of 4.14 or newer", syncs}},
		{"slow", change(func(d *disk) { d.syncs = []time.Duration{30 * time.Millisecond} }), []string{format, space, kind,
			"warn a sync of 4 KiB takes 30ms, at worst 30ms: machines wait that long for each flush -> an SSD, or a controller with a battery, under the data folder"}},
		{"not measured", change(func(d *disk) { d.syncErr = errors.New("no") }), []string{format, space, kind,
			"warn how long a sync takes was not measured: no -> run this as root, or as the user that serves"}},
	} {
		expect(t, tt.name, judgeDisk(tt.disk), tt.want...)
	}
}

func TestJudgeHost(t *testing.T) {
	good := host{now: made.AddDate(1, 0, 0), synced: true, files: 65536, neighbours: 4096}
	expect(t, "good", judgeHost(good), "ok its clock is right")
	bad := host{now: time.Unix(0, 0).UTC(), files: 1024, neighbours: 128, missing: tools}
	expect(t, "bad", judgeHost(bad),
		"fail its clock says 1970-01-01 00:00 -> timedatectl set-ntp true, or timedatectl set-time",
		"warn a program started from here may open 1024 files: too few for many machines -> start the server by its unit, dist/bootes.service, which raises that",
		"warn its kernel remembers 128 neighbours at most -> for more machines than that: sysctl -w net.ipv4.neigh.default.gc_thresh3=4096, and the same in /etc/sysctl.d",
		"warn qemu-img is not installed: only raw disk images can be imported and exported -> apt-get install qemu-utils",
		"warn mmdebstrap is not installed: `bootes image build` does not work -> apt-get install mmdebstrap")
	drifting := good
	drifting.synced = false
	expect(t, "drifting", judgeHost(drifting), "warn nobody keeps its clock right: times in logs and timelines may mislead -> timedatectl set-ntp true, or apt-get install chrony")
}

func TestWorst(t *testing.T) {
	for want, all := range map[Status][]Finding{
		OK: {{Status: OK}}, Warn: {{Status: OK}, {Status: Warn}, {Status: OK}}, Fail: {{Status: Warn}, {Status: Fail}, {Status: Warn}},
	} {
		if got := Worst(all); got != want {
			t.Errorf("worst of %v: %s", all, got)
		}
	}
}
