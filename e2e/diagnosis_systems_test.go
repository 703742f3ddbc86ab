//go:build e2e && full

package e2e

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"bootes.dev/internal/lab"
)

const systemMemory = 768 // MiB

// systemsAtOnce is how many boot together: more take longer than a machine may be
// silent while its kernel starts.
const systemsAtOnce = 3

// faultsOfSystems are met by systems, after the firmware has done its work.
var faultsOfSystems = []fault{
	{name: "no-iscsi", image: "no-iscsi:1", memory: systemMemory,
		kind: "no-system-login", cause: "does not look for the disk by iSCSI", says: []string{"a kernel by its size"},
		remedy: []string{"apt-get install open-iscsi", "bootes image export no-iscsi:1"}},
	{name: "panics", image: "panics:1", memory: systemMemory,
		// By which of the two it is found, boots that are alike or boots that never ran, is a matter of how alike they were.
		kind: "crash-loop", says: []string{"it is in a loop", "panics:1", "kernel stop", "(panic"}, remedy: []string{"bootes machine set panics --image"}},
	{name: "freezes", image: "freezes:1", memory: systemMemory,
		kind: "system-gone", later: true, cause: "the kernel stopped (panic)", says: []string{"the initiator answers no ping", "nothing has come from its network card since", "it was switched off"}, remedy: []string{"console=ttyS0", "switch it on"}},
	{name: "unplugged", image: imageRef, memory: systemMemory, offAfter: "the operating system opened the disk",
		kind: "system-gone", later: true, says: []string{"the initiator answers no ping", "nothing has come from its network card since", "it was switched off"}, remedy: []string{"switch it on"}},
	{name: "rots", image: "rots:1", memory: systemMemory,
		kind: "image-corrupt", later: true, cause: "it read what is damaged", says: []string{"MiB changed since it was made", "no read failed"},
		remedy: []string{"bootes image verify rots:1", "bootes machine set rots --image"}},
	{name: "old", image: imageRef, memory: systemMemory, plainROM: true, cpu: "pentium3",
		kind: "no-system-login", cause: "is for processors of 64 bits (x86-64), and the machine's has no 64-bit mode, says iPXE", remedy: []string{"bootes machine set old --image"}},
	{name: "renumbers", image: "renumbers:1", memory: systemMemory,
		kind: "system-gone", later: true, cause: "its own network setup has", says: []string{"lives and has lost its disk"}, remedy: []string{"KeepConfiguration=yes"}},
	{name: "full", image: imageRef, memory: systemMemory, machine: []string{"--limit", "64K"},
		kind: "disk-full", says: []string{"at its limit of 64K"}, remedy: []string{"bootes volume set full-"}},
}

// The scripts of Debian's initramfs that the faulty images have others of.
const (
	logsIn  = "scripts/local-top/iscsi"              // opens the disk
	hasRoot = "scripts/local-bottom/bootes-identity" // runs when the root file system is there
	panics  = "#!/bin/sh\necho 1 > /proc/sys/kernel/panic\necho c > /proc/sysrq-trigger\n"
	freezes = "#!/bin/sh\necho 0 > /proc/sys/kernel/panic\necho c > /proc/sysrq-trigger\n"
)

// TestDiagnosisOfSystems boots real systems that do not come to run.
func TestDiagnosisOfSystems(t *testing.T) {
	lab.Require(t, "qemu-system-x86_64", "mmdebstrap", "qemu-img", "debugfs")
	f := newFixture(t, serverMode)
	f.importSystem("no-iscsi:1", logsIn, "#!/bin/sh\nexit 0\n")
	f.importSystem("panics:1", hasRoot, panics)
	f.importSystem("freezes:1", hasRoot, freezes)
	f.importRenumbering("renumbers:1")
	f.importRotten("rots:1", "/usr/lib/systemd/systemd")
	var group errgroup.Group
	group.SetLimit(systemsAtOnce)
	for i, x := range faultsOfSystems {
		pc := f.suffers(i+1, x)
		group.Go(func() error {
			t.Run(x.name, func(t *testing.T) { f.meet(t, pc, x.name, x) })
			return nil
		})
	}
	_ = group.Wait() // none has an error
}

// rootOffset is where the golden image's root file system is, in bytes.
const rootOffset = 69632 * 512

// rootBlock is the size of its blocks.
const rootBlock = 4096

// importSystem imports the golden image with another script in its initramfs.
func (f *fixture) importSystem(ref, name, script string) {
	f.t.Helper()
	f.importChanged(ref, func(root string) {
		f.changeInitramfs(root, func(_ *testing.T, b []byte) []byte { return appendFile(b, name, script) })
	})
}

// importRenumbering imports the golden image with the network setup of a computer
// that had a fixed address elsewhere.
func (f *fixture) importRenumbering(ref string) {
	f.t.Helper()
	f.importChanged(ref, func(root string) {
		f.put(root, "/etc/systemd/network/10-lan.network", []byte("[Match]\nType=ether\n\n[Network]\nAddress=192.168.1.50/24\nGateway=192.168.1.1\n"))
	})
}

// importRotten imports the golden image, of which a block of a file changes
// thereafter on the server's disk.
func (f *fixture) importRotten(ref, file string) {
	f.t.Helper()
	f.cli("image", "import", ref, golden)
	_, text, _ := strings.Cut(f.debugfs(fmt.Sprintf("%s?offset=%d", golden, rootOffset), "bmap "+file+" 0"), "\n") // after its name
	block, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil || block == 0 {
		f.t.Fatalf("where %s is: %q, %v", file, text, err)
	}
	f.damage(ref, func(data string) error { return flip(data, rootOffset+block*rootBlock) })
}

// debugfs runs a command of debugfs on a file system; with -w it may change it.
func (f *fixture) debugfs(on, command string, options ...string) string {
	f.t.Helper()
	out, err := f.Net.Run(f.t.Context(), "debugfs", append(options, "-R", command, on)...)
	if err != nil {
		f.t.Fatal(err)
	}
	return string(out)
}

// appendFile adds an archive with one program to an initramfs: the kernel unpacks
// all that it is given, and the last one wins (initramfs buffer format).
func appendFile(b []byte, name, text string) []byte {
	for _, e := range []struct {
		name string
		mode int
		data string
	}{{name, 0o100755, text}, {"TRAILER!!!", 0, ""}} {
		b = pad(b)
		b = fmt.Appendf(b, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%s\x00",
			0, e.mode, 0, 0, 1, 0, len(e.data), 0, 0, 0, 0, len(e.name)+1, 0, e.name)
		b = append(pad(b), e.data...)
	}
	return pad(b)
}

// pad fills up to a multiple of four bytes.
func pad(b []byte) []byte { return append(b, bytes.Repeat([]byte{0}, -len(b)&3)...) }
