package diskcheck

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bootes.dev/internal/diagnose"
	"bootes.dev/internal/diskimage"
	"bootes.dev/internal/guestfs"
	"bootes.dev/internal/needs"
)

func look1(t *testing.T, b []byte, m Machine) diagnose.Contents {
	t.Helper()
	c, err := Look(t.Context(), bytes.NewReader(b), int64(len(b)), m)
	if err != nil || !c.Seen {
		t.Fatalf("%+v, %v", c, err)
	}
	return c
}

func names(c diagnose.Contents) (all []string) {
	for _, f := range c.Findings {
		all = append(all, f.Name)
	}
	return all
}

const (
	grubCfg = "boot/grub/grub.cfg"
	kernel9 = "boot/vmlinuz-" + ver
	initrd9 = "boot/initrd.img-" + ver
)

// faults are what is wrong with a disk, and what is said of it.
var faults = map[string]struct {
	files tree
	card  string // default: pc's
	want  diagnose.Finding
}{
	"no grub.cfg": {files: system().with(grubCfg, "").with("boot/grub/grubenv", "x"),
		want: diagnose.Finding{Name: "no-grub-config", Stops: diagnose.Load, Sure: true, Text: "GRUB's configuration p1:/boot/grub/grub.cfg is not there: GRUB shows its prompt, grub>"}},
	"grub.cfg of zeros": {files: system().with(grubCfg, strings.Repeat("\x00", 4096)),
		want: diagnose.Finding{Name: "bad-grub-config", Stops: diagnose.Load, Sure: true, Text: "is empty, or all zeros (4096 bytes)"}},
	"menu waits": {files: system().replace(grubCfg, "timeout=2", "timeout=-1"),
		want: diagnose.Finding{Name: "grub-waits", Stops: diagnose.Load, Sure: true, Text: "GRUB's menu waits for ever: p1:/boot/grub/grub.cfg sets timeout=-1"}},
	"no kernel": {files: system().with(kernel9, "").with("boot/vmlinuz-6.0", "x"),
		want: diagnose.Finding{Name: "kernel-missing", Stops: diagnose.Load, Sure: true,
			Text: `the kernel p1:/vmlinuz, which line 5 of p1:/boot/grub/grub.cfg names, is not there: it is a link to "boot/vmlinuz-6.1.0-9-amd64", which leads nowhere`}},
	"another kernel": {files: system().replace(grubCfg, "/vmlinuz ", "/boot/vmlinuz-6.2 "),
		want: diagnose.Finding{Name: "kernel-missing", Stops: diagnose.Load, Sure: true, Text: `is not there; there is "vmlinuz-6.1.0-9-amd64"`}},
	"empty kernel": {files: system().with(kernel9, empty),
		want: diagnose.Finding{Name: "kernel-empty", Stops: diagnose.Load, Sure: true, Text: "is empty"}},
	"short kernel": {files: system().with(kernel9, bzImageOf(40 << 10)[:20<<10]),
		want: diagnose.Finding{Name: "kernel-damaged", Stops: diagnose.Load, Sure: true, Text: "is cut off: it has 20 KiB, and its header says 40 KiB"}},
	"no initramfs": {files: system().with("initrd.img", ""),
		want: diagnose.Finding{Name: "initramfs-missing", Stops: diagnose.Load, Sure: true, Text: "the initramfs p1:/initrd.img, which line 6 of p1:/boot/grub/grub.cfg names, is not there"}},
	"short gzip": {files: system().with(initrd9, zipped(initramfs())[:200]),
		want: diagnose.Finding{Name: "initramfs-damaged", Stops: diagnose.Load, Sure: true, Text: "is cut off or damaged: unpack by gzip: it ends too early"}},
	"short lz4": {files: system().with(initrd9, lz4Legacy(initramfs(), 100)[:150]),
		want: diagnose.Finding{Name: "initramfs-damaged", Stops: diagnose.Load, Sure: true, Text: "is cut off or damaged: unpack by lz4: it ends too early"}},
	"damaged lz4": {files: system().with(initrd9, lz4Legacy(initramfs(), 100)[:8]+strings.Repeat("\xff", 500)),
		want: diagnose.Finding{Name: "initramfs-damaged", Stops: diagnose.Load, Sure: true, Text: "is cut off or damaged: unpack by lz4: "}},
	"zstd begins": {files: system().with(initrd9, string(magicZstd)),
		want: diagnose.Finding{Name: "initramfs-damaged", Stops: diagnose.Load, Sure: true, Text: "is cut off or damaged: unpack by zstd: it ends too early"}},
	"short zstd": {files: system().with(initrd9, zstandard(initramfs())[:200]),
		want: diagnose.Finding{Name: "initramfs-damaged", Stops: diagnose.Load, Sure: true, Text: "is cut off or damaged: unpack by zstd: it ends too early"}},
	"short cpio": {files: system().with(initrd9, string(cpioOf(initramfs())[:300])),
		want: diagnose.Finding{Name: "initramfs-damaged", Stops: diagnose.Load, Sure: true, Text: "is cut off or damaged: "}},
	"no iSCSI": {files: system().with(initrd9, zipped([]entry{{"init", "x"}})),
		want: diagnose.Finding{Name: "no-iscsi", Stops: diagnose.Reach, Sure: true, Text: "the initramfs /initrd.img does not look for the disk by iSCSI: it has no program for that (iscsistart)"}},
	"no iSCSI script": {files: system().with(initrd9, zstandard(initramfs())+string(cpioOf([]entry{{iscsiScript, "exit 0"}}))),
		want: diagnose.Finding{Name: "no-iscsi", Stops: diagnose.Reach, Sure: true, Text: "scripts/local-top/iscsi in it does not call iscsistart"}},
	"old recipe": {files: system().with(initrd9, zipped(append(initramfs(), entry{iscsiConfig, "ISCSI_TARGET_NAME=iqn.2010-01.lab:debian\nexport ISCSI_TARGET_IP=\"10.0.0.1\"\n"}))),
		want: diagnose.Finding{Name: "fixed-target", Stops: diagnose.Reach, Sure: true, Text: "opens a fixed disk, iqn.2010-01.lab:debian at 10.0.0.1"}},
	"no ISCSI_AUTO": {files: system().with(initrd9, zipped(append(initramfs(), entry{iscsiConfig, "# nothing\n"}))),
		want: diagnose.Finding{Name: "no-iscsi-auto", Stops: diagnose.Reach, Sure: true, Text: "has no ISCSI_AUTO=true"}},
	"no iSCSI module": {files: system().with(initrd9, zipped(slices.DeleteFunc(initramfs(), func(e entry) bool { return strings.HasSuffix(e.name, "/iscsi_tcp.ko") }))),
		want: diagnose.Finding{Name: "no-iscsi-module", Stops: diagnose.Reach, Sure: true, Text: "the initramfs /initrd.img cannot open the disk by iSCSI: it lacks the module iscsi_tcp"}},
	"forbidden iSCSI": {files: system().with(initrd9, zipped(forbid("blacklist iscsi_tcp\ninstall iscsi_tcp /bin/false\n"))),
		want: diagnose.Finding{Name: "no-iscsi-module", Stops: diagnose.Reach, Sure: true, Text: "cannot open the disk by iSCSI: etc/modprobe.d/local.conf in it forbids the module iscsi_tcp"}},
	"forbidden driver": {files: system().with(initrd9, zipped(forbid("# old\nblacklist e1000\n"))),
		want: diagnose.Finding{Name: "no-driver", Stops: diagnose.Reach, Sure: true, Text: "the initramfs /initrd.img does not drive its network card 8086:100e: etc/modprobe.d/local.conf in it forbids the module e1000"}},
	"driver only in the system": {files: system(), card: "10ec:8168",
		want: diagnose.Finding{Name: "no-driver", Stops: diagnose.Reach, Sure: true, Text: "the initramfs /initrd.img lacks the driver of its network card 10ec:8168, r8169"}},
	"driver of half a card": {files: system(), card: "1af4:1000",
		want: diagnose.Finding{Name: "no-driver", Stops: diagnose.Reach, Sure: true, Text: "1af4:1000, virtio_net"}},
	"no driver": {files: system(), card: "14e4:165f",
		want: diagnose.Finding{Name: "no-driver", Stops: diagnose.Reach, Sure: true, Text: "the kernel 6.1.0-9-amd64 has no driver for its network card 14e4:165f"}},
	"fixed address": {files: system().replace(grubCfg, "quiet", "ip=192.168.1.50:::255.255.255.0::eth0:off"),
		want: diagnose.Finding{Name: "fixed-address", Stops: diagnose.Reach, Sure: true, Text: "gives every machine the address 192.168.1.50 (ip=192.168.1.50:::255.255.255.0::eth0:off), in another network than its disk, which is at 10.77.0.1"}},
	"fixed address, routed": {files: system().replace(grubCfg, "quiet", "ip=192.168.1.50::192.168.1.1:24"),
		want: diagnose.Finding{Name: "fixed-address", Stops: diagnose.Reach, Text: "gives every machine the address 192.168.1.50"}},
	"wrong root": {files: system().replace(grubCfg, "root=UUID="+rootUUID, "root=UUID="+otherUUID),
		want: diagnose.Finding{Name: "no-root", Stops: diagnose.Run, Sure: true, Text: "root=UUID=" + otherUUID + "; there partition 1 is UUID=" + rootUUID + " (ext4)"}},
	"root by a name": {files: system().replace(grubCfg, "root=UUID="+rootUUID, "root=/dev/vda1"),
		want: diagnose.Finding{Name: "root-name", Stops: diagnose.Run, Text: "has root=/dev/vda1, a name by the order and kind of disks: by iSCSI they are /dev/sda and on, and the root on this disk seems to be partition 1"}},
	"wrong PARTUUID": {files: system().replace(grubCfg, "root=UUID="+rootUUID, "root=PARTUUID=1a2b3c4d-02"),
		want: diagnose.Finding{Name: "no-root", Stops: diagnose.Run, Sure: true, Text: "root=PARTUUID=1a2b3c4d-02; there partition 1 is PARTUUID=1a2b3c4d-01"}},
	"fstab by PARTUUID": {files: system().with("etc/fstab", "/dev/disk/by-partuuid/1a2b3c4d-01 / ext4 defaults 0 1\nPARTUUID=1A2B3C4D-03 /home ext4 defaults 0 2\n"),
		want: diagnose.Finding{Name: "fstab", Stops: diagnose.Run, Text: "line 2 of p1:/etc/fstab mounts PARTUUID=1A2B3C4D-03 on /home, which is not on its disk"}},
	"no init by PARTUUID": {files: system().with("lib/systemd/systemd", "").replace(grubCfg, "root=UUID="+rootUUID, "root=PARTUUID=1A2B3C4D-01"),
		want: diagnose.Finding{Name: "no-init", Stops: diagnose.Run, Sure: true, Text: "the system's first program, p1:/sbin/init, is not there"}},
	"no init": {files: system().with("lib/systemd/systemd", ""),
		want: diagnose.Finding{Name: "no-init", Stops: diagnose.Run, Sure: true, Text: `the system's first program, p1:/sbin/init, is not there: it is a link to "../lib/systemd/systemd", which leads nowhere`}},
	"no driver for the root": {files: system().with(initrd9, zipped(append(initramfs(), entry{"usr/lib/modules/" + ver + "/modules.builtin", "kernel/fs/xfs/xfs.ko\n"}))),
		want: diagnose.Finding{Name: "no-file-system-driver", Stops: diagnose.Run, Sure: true, Text: "the initramfs /initrd.img cannot mount the root file system, partition 1: it lacks the module ext4"}},
	"init is a script": {files: system().with("lib/systemd/systemd", "#!/bin/sh\nexit 0\n"),
		want: diagnose.Finding{Name: "init-script", Stops: diagnose.Run, Text: "the system's first program, p1:/sbin/init, is a script (#!/bin/sh): when it ends, the kernel stops"}},
	"fstab": {files: system().with("etc/fstab", "UUID="+rootUUID+" / ext4 defaults 0 1\nUUID="+otherUUID+" /home ext4 defaults 0 2\n"),
		want: diagnose.Finding{Name: "fstab", Stops: diagnose.Run, Text: "line 2 of p1:/etc/fstab mounts UUID=" + otherUUID + " on /home, which is not on its disk"}},
	"no mount.nfs": {files: system().with("etc/fstab", "10.0.0.9:/home /home nfs defaults 0 0\n"),
		want: diagnose.Finding{Name: "fstab-net", Stops: diagnose.Run, Text: "line 1 of p1:/etc/fstab mounts /home from 10.0.0.9:/home, and the system has no program for that (/sbin/mount.nfs)"}},
	"swap": {files: system().with("etc/fstab", "UUID="+otherUUID+" none swap sw 0 0\n"),
		want: diagnose.Finding{Name: "fstab-swap", Stops: diagnose.Run, Text: "names UUID=" + otherUUID + " for swap space"}},
}

// forbid is an initramfs with that for modprobe.
func forbid(text string) []entry {
	return append(initramfs(), entry{"etc/modprobe.d/local.conf", text})
}

// empty is a file without content; "" takes one out.
const empty = "EMPTY"

func TestFaults(t *testing.T) {
	for name, tt := range faults {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := pc
			if tt.card != "" {
				m.Card = tt.card
			}
			c := look1(t, disk(t, tt.files), m)
			if len(c.Findings) != 1 {
				t.Fatalf("%+v", c.Findings)
			}
			got := c.Findings[0]
			if got.Name != tt.want.Name || got.Stops != tt.want.Stops || got.Sure != tt.want.Sure || !strings.Contains(got.Text, tt.want.Text) || got.Remedy == "" {
				t.Errorf("%+v, want %+v", got, tt.want)
			}
			if c.Loads && got.Stops == diagnose.Load && got.Name != "grub-waits" {
				t.Error("it is said to load")
			}
		})
	}
}

func TestSound(t *testing.T) {
	early := string(cpioOf([]entry{{"kernel/x86/microcode/GenuineIntel.bin", "microcode"}}))
	for name, files := range map[string]tree{
		"gzip":           system(),
		"zstd":           system().with(initrd9, zstandard(initramfs())),
		"lz4":            system().with(initrd9, lz4Legacy(initramfs(), 100)+strings.Repeat("\x00", 512)),
		"lz4, twice":     system().with(initrd9, string(cpioOf([]entry{{"early", "x"}}))+lz4Legacy(initramfs(), 1<<20)+lz4Legacy([]entry{{"late", "x"}}, 10)),
		"blacklisted":    system().with(initrd9, zipped(forbid("blacklist iscsi_tcp\nblacklist nouveau\ninstall e1000 /sbin/modprobe --ignore-install e1000\n"))),
		"as it is":       system().with(initrd9, string(cpioOf(initramfs()))),
		"with microcode": system().with(initrd9, early+strings.Repeat("\x00", 300)+zstandard(initramfs())),
		"other disks":    system().with("etc/fstab", "UUID="+otherUUID+" /home ext4 nofail 0 2\n/dev/sdb1 /x ext4 defaults 0 0\nLABEL=scratch /s ext4 defaults 0 0\n/dev/mapper/y /y ext4 defaults 0 0\ntmpfs /tmp tmpfs nosuid 0 0\n"),
		"by label":       system().replace(grubCfg, "root=UUID="+rootUUID, "root=LABEL="),
		"another initrd": system().with(initrd9, "\xfd7zXZ\x00 which is not read"),
		"init=":          system().with("sbin/init", "").with("opt/init", "x").replace(grubCfg, "quiet", "init=/opt/init"),
		"saved":          system().replace(grubCfg, `default="0"`, `default="${saved_entry}"`),
	} {
		t.Run(name, func(t *testing.T) {
			c := look1(t, disk(t, files), pc)
			if len(c.Findings) != 0 || !c.Loads {
				t.Errorf("%+v", c)
			}
			if unread := map[bool]string{true: "xz"}[name == "another initrd"]; c.Unread != unread {
				t.Errorf("unread %q, want %q", c.Unread, unread)
			}
			if read := name != "another initrd"; c.ISCSI != read || (c.Driver == "e1000") != read {
				t.Errorf("iSCSI %v, driver %q", c.ISCSI, c.Driver)
			}
		})
	}
}

func TestBrief(t *testing.T) {
	m := pc
	m.Brief = true
	c := look1(t, disk(t, system().with(initrd9, zipped(initramfs())[:200])), m)
	if len(c.Findings) != 0 || c.ISCSI {
		t.Errorf("%+v", c)
	}
}

// TestShares: folders of other computers are noted, with their servers' addresses.
func TestShares(t *testing.T) {
	fstab := "10.0.0.9:/home /home nfs defaults 0 0\nnas:/srv /srv nfs4 nofail,port=2050 0 0\n//box/pool\\040x /pool cifs credentials=/etc/pw,x-systemd.automount 0 0\n" +
		"[fd00::9]:/v6 /v6 nfs bg,udp 0 0\n10.0.0.9:/x /x nfs noauto 0 0\nother:/y /y nfs rw 0 0\n10.0.0.9 /z ext4 defaults 0 0\n"
	c := look1(t, disk(t, system().with("etc/fstab", fstab).with("etc/hosts", "127.0.0.1 localhost\n10.0.0.8 nas.example NAS # box\n").
		with("usr/sbin/mount.nfs4", "\x7fELF").with("sbin/mount.cifs", "\x7fELF")), pc)
	if len(c.Findings) != 0 {
		t.Errorf("%+v", c.Findings)
	}
	nine, eight := netip.MustParseAddr("10.0.0.9"), netip.MustParseAddr("10.0.0.8")
	want := []diagnose.Share{
		{Line: "line 1 of p1:/etc/fstab", Spec: "10.0.0.9:/home", At: "/home", Host: "10.0.0.9", Server: nine, Port: diagnose.PortNFS, Waits: true},
		{Line: "line 2 of p1:/etc/fstab", Spec: "nas:/srv", At: "/srv", Host: "nas", Server: eight},
		{Line: "line 3 of p1:/etc/fstab", Spec: `"//box/pool\\040x"`, At: "/pool", Host: "box", Port: diagnose.PortSMB},
		{Line: "line 4 of p1:/etc/fstab", Spec: "[fd00::9]:/v6", At: "/v6", Host: "fd00::9", Server: netip.MustParseAddr("fd00::9")},
		{Line: "line 6 of p1:/etc/fstab", Spec: "other:/y", At: "/y", Host: "other", Port: diagnose.PortNFS, Waits: true},
	}
	if !slices.Equal(c.Shares, want) {
		t.Errorf("%+v\nwant %+v", c.Shares, want)
	}
	many := look1(t, disk(t, system().with("usr/sbin/mount.nfs", "x").with("etc/fstab", strings.Repeat("10.0.0.9:/home /home nfs defaults 0 0\n", 99))), pc)
	if len(many.Shares) != maxShares {
		t.Errorf("%d shares", len(many.Shares))
	}
}

// TestUncertain: what may be meant for another entry, or another disk, is not sure.
func TestUncertain(t *testing.T) {
	c := look1(t, disk(t, system().with(kernel9, "").replace(grubCfg, `default="0"`, `default="${saved_entry}"`)), pc)
	if !slices.Equal(names(c), []string{"kernel-missing"}) || c.Findings[0].Sure {
		t.Errorf("%+v", c.Findings)
	}
}

func TestPartitionImage(t *testing.T) {
	name := filepath.Join(t.TempDir(), "disk")
	mkfs(t, name, system(), "-E", "root_owner=0:0", name, "7m")
	c := look1(t, bytesOf(t, name), pc)
	if len(c.Findings) != 1 || c.Findings[0].Name != "partition-image" || !strings.Contains(c.Findings[0].Text, "the image of a partition, not of a disk: ext4 begins at its first byte") {
		t.Errorf("%+v", c.Findings)
	}
}

// TestDisc: one that starts from a hard disk, too, has code in its first sector.
func TestDisc(t *testing.T) {
	b := make([]byte, 1<<20)
	copy(b[0x8001:], "CD001")
	if c := look1(t, b, pc); !slices.Equal(names(c), []string{"disc-image"}) || !strings.Contains(c.Findings[0].Text, "the image of a disc (CD-ROM or DVD, ISO 9660)") {
		t.Errorf("%+v", c.Findings)
	}
	b[0] = 0xeb
	if c := look1(t, b, pc); slices.Contains(names(c), "disc-image") {
		t.Errorf("%+v", c.Findings)
	}
}

func TestNoCore(t *testing.T) {
	b := disk(t, system())
	copy(b[0x180:], grubMark)
	b[grubCoreLBA] = 2
	if c := look1(t, b, pc); !slices.Equal(names(c), []string{"no-grub-core"}) || !strings.Contains(c.Findings[0].Text, "goes on to, 2, is empty") {
		t.Errorf("%+v", c.Findings)
	}
	b[2*512] = 1
	if c := look1(t, b, pc); len(c.Findings) != 0 {
		t.Errorf("%+v", c.Findings)
	}
}

// TestKernelFor64Bits halts on a processor that has no such mode.
func TestKernelFor64Bits(t *testing.T) {
	head := []byte(bzImageOf(40 << 10))
	copy(head[bzProtocol:], "\x0f\x02")
	head[bzLoadFlags] = 1
	old := pc
	old.Bits32 = true
	c := look1(t, disk(t, system().with(kernel9, string(head))), old)
	if len(c.Findings) != 1 || c.Loads || !c.Findings[0].Sure || !strings.Contains(c.Findings[0].Text, "the kernel p1:/vmlinuz is for processors of 64 bits (x86-64), and the machine's has no 64-bit mode") {
		t.Errorf("%+v", c)
	}
	if c := look1(t, disk(t, system()), old); len(c.Findings) != 0 {
		t.Errorf("a kernel of 32 bits: %+v", c.Findings)
	}
}

// TestGRUBLooksElsewhere: the file system has had another UUID since GRUB was installed.
func TestGRUBLooksElsewhere(t *testing.T) {
	needs.Program(t, "mformat", "mtools")
	for name, tt := range map[string]struct {
		file, text string
		finds      bool
	}{
		"built in":       {"BOOTX64.EFI", "MZ\x00search.fs_uuid " + otherUUID + " root \nset prefix=($root)'/boot/grub'\n\x00", false},
		"beside it":      {"grub.cfg", "search --no-floppy --fs-uuid --set=dev " + otherUUID + "\nset prefix=($dev)/grub2\n", false},
		"its own":        {"BOOTX64.EFI", "MZ\x00search.fs_uuid " + rootUUID + " root \n", true},
		"another loader": {"BOOTX64.EFI", "MZ\x00" + otherUUID, true},
	} {
		t.Run(name, func(t *testing.T) {
			c := look1(t, withESP(t, disk(t, system()), tt.file, tt.text), Machine{UEFI: true, Card: pc.Card, Server: pc.Server})
			if tt.finds && len(c.Findings) > 0 || !tt.finds && !slices.Equal(names(c), []string{"grub-elsewhere"}) {
				t.Fatalf("%+v", c.Findings)
			}
			if want := "UUID=" + otherUUID + ", as p2:/EFI/BOOT/" + tt.file + " says; on its disk partition 1 is UUID=" + rootUUID + " (ext4)"; !tt.finds && !strings.Contains(c.Findings[0].Text, want) {
				t.Errorf("%s, want %s", c.Findings[0].Text, want)
			}
		})
	}
}

// withESP adds an EFI system partition with one file in /EFI/BOOT.
func withESP(t *testing.T, b []byte, file, text string) []byte {
	t.Helper()
	const size = 4 << 20
	name := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(name, append(b, make([]byte, size)...), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, fmt.Sprintf("start=%d,type=ef\n", len(b)/512), "sfdisk", "-q", "--append", name)
	at := fmt.Sprintf("%s@@%d", name, len(b))
	run(t, "", "mformat", "-i", at, "-T", fmt.Sprint(size/512), "::")
	run(t, "", "mmd", "-i", at, "::/EFI", "::/EFI/BOOT")
	run(t, text, "mcopy", "-i", at, "-", "::/EFI/BOOT/"+file)
	return bytesOf(t, name)
}

// TestDamagedRoot: a superblock that was copied while it was written, or is gone.
func TestDamagedRoot(t *testing.T) {
	boot := system()
	b := disk(t, boot)
	const super = firstByte + 1024
	for name, tt := range map[string]struct {
		do         func(b []byte)
		name, want string
	}{
		"checksum": {func(b []byte) { b[super+0x3fc] ^= 1 }, "damaged", "wrong checksum"},
		"zeros":    {func(b []byte) { clear(b[firstByte : firstByte+4096]) }, "no-file-system", "partition 1 is meant for Linux"},
	} {
		b := slices.Clone(b)
		tt.do(b)
		c := look1(t, b, pc)
		if len(c.Findings) != 1 || c.Findings[0].Name != tt.name || !strings.Contains(c.Findings[0].Text, tt.want) {
			t.Errorf("%s: %+v", name, c.Findings)
		}
	}
}

// TestNoSystem: a disk of which firmware finds its loader, and nobody a Linux.
func TestNoSystem(t *testing.T) {
	root := diskimage.Partition{Number: 3, Type: "Linux filesystem"}
	esp := guestfs.System{Partition: diskimage.Partition{Number: 2, Type: "EFI system"}, Kind: "fat32"}
	swap := guestfs.System{Partition: diskimage.Partition{Number: 4, Type: "Linux swap"}}
	for name, tt := range map[string]struct {
		systems []guestfs.System
		want    []string
	}{
		"its superblock is gone":    {[]guestfs.System{esp, {Partition: root}, swap}, []string{"no-file-system"}},
		"in a file system not read": {[]guestfs.System{esp, {Partition: root, Kind: "XFS"}, {Partition: root}}, nil},
	} {
		l := &look{systems: tt.systems}
		if l.damaged(); !slices.Equal(names(l.found), tt.want) {
			t.Errorf("%s: %+v", name, l.found.Findings)
		}
	}
}

// TestOthers: a disk of which nothing is known is not spoken of.
func TestOthers(t *testing.T) {
	for name, b := range map[string][]byte{
		"blank": make([]byte, 4<<20), "tiny": make([]byte, 512),
		"NTFS": append([]byte("\xeb\x52\x90NTFS    "), make([]byte, 4<<20)...),
	} {
		c, err := Look(t.Context(), bytes.NewReader(b), int64(len(b)), pc)
		if err != nil || len(c.Findings) != 0 {
			t.Errorf("%s: %+v, %v", name, c, err)
		}
	}
}

type failing struct{ *bytes.Reader }

func (failing) ReadAt([]byte, int64) (int, error) { return 0, errors.New("input/output error") }

func TestErrors(t *testing.T) {
	if _, err := Look(t.Context(), failing{}, 1<<20, pc); err == nil || !strings.Contains(err.Error(), "look into a disk: ") {
		t.Error(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(fmt.Errorf("the server stops"))
	b := disk(t, system())
	if _, err := Look(ctx, bytes.NewReader(b), int64(len(b)), pc); err == nil || !strings.Contains(err.Error(), "the server stops") {
		t.Error(err)
	}
}
