//go:build e2e && full

package e2e

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sync/errgroup"

	"bootes.dev/internal/lab"
)

// faultsOfContents are on the disk, where the server can look for them. What it says
// is sure, so it is the only cause.
var faultsOfContents = []fault{
	{name: "fstab", image: "fstab:1", memory: systemMemory,
		kind: "mount-missing", cause: "line 1 of p3:/etc/fstab mounts UUID=11111111-2222-3333-4444-555555555555 on /home", says: []string{"emergency mode", "it is so in the image fstab:1"}, remedy: []string{"nofail"}},
	{name: "share", image: "share:1", memory: systemMemory,
		kind: "mount-missing", cause: "line 1 of p3:/etc/fstab mounts /home from 10.77.0.250:/home, and the system has no program for that (/sbin/mount.nfs)",
		says: []string{"it runs without", "10.77.0.250 does not answer this server at tcp/2049"}, remedy: []string{"install nfs-common"}},
	{name: "no-driver", image: "no-driver:1", memory: systemMemory,
		kind: "no-system-login", cause: "the initramfs /initrd.img lacks the driver of its network card 1af4:1000, virtio_net", says: []string{"a kernel by its size"}, remedy: []string{"MODULES=most", "bootes machine set no-driver --image"}},
	{name: "cut-initramfs", image: "cut-initramfs:1", memory: systemMemory,
		kind: "no-system-login", cause: "the initramfs p3:/initrd.img, which line", says: []string{"is cut off or damaged: unpack by zstd: it ends too early"}, remedy: []string{"update-initramfs -u"}},
	{name: "no-kernel", image: "no-kernel:1", memory: systemMemory,
		kind: "no-system-login", cause: "the kernel p3:/vmlinuz, which line", says: []string{"is not there: it is a link to", "too little for a kernel"}, remedy: []string{"bootes image export no-kernel:1"}},
	{name: "no-config", image: "no-config:1", memory: systemMemory,
		kind: "no-system-login", cause: "GRUB's configuration p3:/boot/grub/grub.cfg is not there: GRUB shows its prompt, grub>", says: []string{"it is so in the image no-config:1"}, remedy: []string{"update-grub"}},
}

// TestDiagnosisOfContents boots systems whose disks lack something.
func TestDiagnosisOfContents(t *testing.T) {
	lab.Require(t, "qemu-system-x86_64", "mmdebstrap", "qemu-img", "debugfs")
	f := newFixture(t, serverMode)
	f.importChanged("fstab:1", func(root string) {
		f.put(root, "/etc/fstab", []byte("UUID=11111111-2222-3333-4444-555555555555 /home ext4 defaults 0 2\n"))
	})
	f.importChanged("share:1", func(root string) {
		f.put(root, "/etc/fstab", []byte("10.77.0.250:/home /home nfs defaults 0 0\n"))
	})
	f.importChanged("no-driver:1", func(root string) { f.changeInitramfs(root, withoutVirtioNet) })
	f.importChanged("cut-initramfs:1", func(root string) {
		f.changeInitramfs(root, func(_ *testing.T, b []byte) []byte { return b[:len(b)/2] })
	})
	f.importChanged("no-kernel:1", func(root string) { f.debugfs(root, "rm "+f.inBoot(root, "vmlinuz-"), "-w") })
	f.importChanged("no-config:1", func(root string) { f.debugfs(root, "rm /boot/grub/grub.cfg", "-w") })
	var group errgroup.Group
	group.SetLimit(systemsAtOnce)
	for i, x := range faultsOfContents {
		pc := f.suffers(i+1, x)
		group.Go(func() error {
			t.Run(x.name, func(t *testing.T) { f.meet(t, pc, x.name, x) })
			return nil
		})
	}
	_ = group.Wait() // none has an error
}

// importChanged imports the golden image with another root file system.
func (f *fixture) importChanged(ref string, change func(root string)) {
	f.t.Helper()
	disk := f.Net.Path("system.raw")
	f.tool("cp", "--sparse=always", golden, disk)
	change(fmt.Sprintf("%s?offset=%d", disk, rootOffset))
	f.cli("image", "import", ref, disk)
}

// inBoot is the path of the file in /boot whose name begins like that.
func (f *fixture) inBoot(root, prefix string) string {
	f.t.Helper()
	_, name, ok := strings.Cut(f.debugfs(root, "ls -p /boot"), "/"+prefix)
	if !ok {
		f.t.Fatalf("no %s in /boot", prefix)
	}
	name, _, _ = strings.Cut(name, "/")
	return "/boot/" + prefix + name
}

// put writes a file of a root file system, which all in it may read: not all that
// reads its configuration there is root.
func (f *fixture) put(root, path string, content []byte) {
	f.t.Helper()
	local := f.Net.Path("put")
	if err := os.WriteFile(local, content, 0o644); err != nil {
		f.t.Fatal(err)
	}
	f.debugfs(root, "rm "+path, "-w")
	f.debugfs(root, "write "+local+" "+path, "-w")
}

// changeInitramfs puts another initramfs in the place of the one there.
func (f *fixture) changeInitramfs(root string, change func(*testing.T, []byte) []byte) {
	f.t.Helper()
	path, local := f.inBoot(root, "initrd.img-"), f.Net.Path("initrd.img")
	f.debugfs(root, "dump "+path+" "+local)
	b, err := os.ReadFile(local)
	if err != nil {
		f.t.Fatal(err)
	}
	f.put(root, path, change(f.t, b))
}

// withoutVirtioNet calls a module of an initramfs something else.
func withoutVirtioNet(t *testing.T, b []byte) []byte {
	t.Helper()
	d, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	archive, err := d.DecodeAll(b, nil)
	if err != nil || !bytes.Contains(archive, []byte("/virtio_net.ko\x00")) {
		t.Fatalf("unpack the initramfs: %v", err)
	}
	e, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return e.EncodeAll(bytes.Replace(archive, []byte("/virtio_net.ko\x00"), []byte("/virtio_gone.k\x00"), 1), nil)
}
