package diskcheck

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"

	"bootes.dev/internal/needs"
)

const (
	rootUUID  = "6f3e1b3a-2c4d-4e5f-8a9b-0c1d2e3f4a5b"
	otherUUID = "11111111-2222-3333-4444-555555555555"
	firstByte = 1 << 20 // of the partition
)

// tree is what a root file system holds: content by path; "->" begins a link.
type tree map[string]string

// system is one that boots.
func system() tree {
	return tree{
		"boot/grub/grub.cfg": "set default=\"0\"\nset timeout=2\nsearch --no-floppy --fs-uuid --set=root " + rootUUID + "\n" +
			"menuentry 'Debian' {\n\tlinux /vmlinuz root=UUID=" + rootUUID + " ro quiet\n\tinitrd /initrd.img\n}\n",
		"vmlinuz":                       "-> boot/vmlinuz-6.1.0-9-amd64",
		"initrd.img":                    "-> boot/initrd.img-6.1.0-9-amd64",
		"boot/vmlinuz-6.1.0-9-amd64":    bzImageOf(40 << 10),
		"boot/initrd.img-6.1.0-9-amd64": zipped(initramfs()),
		"etc/fstab":                     "# root\nUUID=" + rootUUID + " / ext4 errors=remount-ro 0 1\n",
		"sbin/init":                     "-> ../lib/systemd/systemd",
		"lib/systemd/systemd":           "\x7fELF",
		"lib/modules/" + ver + "/modules.alias": "# Aliases\nalias pci:v00008086d0000100Esv*sd*bc*sc*i* e1000\nalias pci:v00001AF4d*sv*sd*bc*sc*i* virtio_pci\n" +
			"alias pci:v000010ECd00008168sv*sd*bc*sc*i* r8169\nalias pci:v*d*sv*sd*bc0Csc03i30* xhci_pci\nalias pci:v000014E4d*sv*sd*bc01sc01i* ata_generic\n",
	}
}

const ver = "6.1.0-9-amd64"

// with is the tree with another file; "" takes it out.
func (t tree) with(path, text string) tree {
	t[path] = text
	if text == "" {
		delete(t, path)
	}
	return t
}

// replace changes the text of a file.
func (t tree) replace(path, old, text string) tree {
	t[path] = strings.ReplaceAll(t[path], old, text)
	return t
}

// bzImageOf is what looks like a kernel of so many bytes.
func bzImageOf(size int) string {
	b := make([]byte, size)
	b[bzSetupSects] = 1
	binary.LittleEndian.PutUint32(b[bzSysSize:], uint32(size-1024)/16)
	copy(b[bzMagic:], "HdrS")
	binary.LittleEndian.PutUint16(b[bzVersion:], 0x100)
	copy(b[0x300:], ver+" (debian-kernel@lists.debian.org) #1")
	return string(b)
}

// entry is a file of an archive.
type entry struct{ name, text string }

func initramfs() []entry {
	return []entry{
		{"init", "#!/bin/sh\n"}, {"usr/sbin/iscsistart", "\x7fELF"}, {iscsiScript, "iscsistart -b\n"}, {iscsiConfig, "ISCSI_AUTO=true\n"},
		{"usr/lib/modules/" + ver + "/kernel/drivers/net/ethernet/intel/e1000/e1000.ko", "\x7fELF"},
		{"usr/lib/modules/" + ver + "/kernel/drivers/scsi/iscsi_tcp.ko", "\x7fELF"},
		{"usr/lib/modules/" + ver + "/kernel/drivers/virtio/virtio_pci.ko.xz", "\xfd7zXZ"},
		{"usr/lib/modules/" + ver + "/modules.builtin", "kernel/drivers/net/loopback.ko\nkernel/fs/ext4/ext4.ko\n"},
	}
}

// cpioOf is an archive as the kernel takes it.
func cpioOf(files []entry) []byte {
	var b []byte
	pad := func() { b = append(b, make([]byte, -len(b)&3)...) }
	for _, f := range append(files[:len(files):len(files)], entry{cpioTrailer, ""}) {
		b = fmt.Appendf(b, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%s\x00",
			0, 0o100755, 0, 0, 1, 0, len(f.text), 0, 0, 0, 0, len(f.name)+1, 0, f.name)
		pad()
		b = append(b, f.text...)
		pad()
	}
	return b
}

func zipped(files []entry) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write(cpioOf(files))
	_ = z.Close()
	return b.String()
}

func zstandard(files []entry) string {
	z, _ := zstd.NewWriter(nil)
	return string(z.EncodeAll(cpioOf(files), nil))
}

// lz4Legacy packs an archive as `lz4 -l` does, in blocks of so many bytes.
func lz4Legacy(files []entry, blocks int) string {
	b := bytes.Clone(magicLZ4)
	for part := range slices.Chunk(cpioOf(files), blocks) {
		packed := make([]byte, lz4.CompressBlockBound(len(part)))
		n, err := lz4.CompressBlock(part, packed, nil)
		if err != nil || n == 0 { // a block of literals alone
			packed = append([]byte{0xf0, byte(len(part) - 15)}, part...)
			n = len(packed)
		}
		b = binary.LittleEndian.AppendUint32(b, uint32(n))
		b = append(b, packed[:n]...)
	}
	return string(b)
}

func run(t testing.TB, in string, args ...string) {
	t.Helper()
	c := exec.Command(args[0], args[1:]...)
	c.Stdin = strings.NewReader(in)
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%q: %v: %s", args, err, out)
	}
}

// disk makes a disk with one partition, of MBR, that holds a tree.
func disk(t testing.TB, files tree) []byte {
	t.Helper()
	needs.Program(t, "sfdisk", "fdisk")
	dir := t.TempDir()
	name := filepath.Join(dir, "disk")
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(name, 8<<20); err != nil {
		t.Fatal(err)
	}
	run(t, "label: dos\nlabel-id: 0x1a2b3c4d\nstart=2048, type=83\n", "sfdisk", "-q", name)
	mkfs(t, name, files, "-E", fmt.Sprintf("offset=%d,root_owner=0:0", firstByte), name, "7m")
	return bytesOf(t, name)
}

// mkfs makes an ext4 of a tree.
func mkfs(t testing.TB, disk string, files tree, args ...string) {
	t.Helper()
	needs.Program(t, "mke2fs", "e2fsprogs")
	root := filepath.Join(filepath.Dir(disk), "root")
	for name, text := range files {
		path := filepath.Join(root, name)
		err := os.MkdirAll(filepath.Dir(path), 0o755)
		if target, ok := strings.CutPrefix(text, "-> "); ok && err == nil {
			err = os.Symlink(target, path)
		} else if err == nil {
			text = strings.TrimPrefix(text, empty)
			err = os.WriteFile(path, []byte(text), 0o755)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	run(t, "", append([]string{"mke2fs", "-q", "-F", "-t", "ext4", "-U", rootUUID, "-d", root}, args...)...)
}

func bytesOf(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

var pc = Machine{BIOS: true, Card: "8086:100e", Server: netip.MustParseAddr("10.77.0.1")}
