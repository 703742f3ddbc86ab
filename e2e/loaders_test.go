//go:build e2e

package e2e

import (
	"context"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"
	"time"

	"bootes.dev/internal/api"
	"bootes.dev/internal/lab"
	"bootes.dev/internal/needs"
	"bootes.dev/internal/recorder"
)

// TestLoaders starts three computers that need three loaders: one by UEFI HTTP
// boot, to its script, and two of other processors, as far as their loaders,
// which are the beginning of one each: Debian 12 has none for them.
func TestLoaders(t *testing.T) {
	t.Parallel()
	needs.Program(t, lab.ARM64.Program(), "qemu-system-arm")
	for file, pkg := range map[string]string{"/usr/share/AAVMF/AAVMF_CODE.fd": "qemu-efi-aarch64", "/usr/share/OVMF/OVMF32_VARS_4M.fd": "ovmf-ia32"} {
		if _, err := os.Stat(file); err != nil {
			needs.Skip(t, "needs %s (%s)", file, pkg)
		}
	}
	more := t.TempDir()
	header(t, filepath.Join(more, "i386/snponly.efi"), 0x014c)
	header(t, filepath.Join(more, "arm64/snponly.efi"), 0xaa64)
	f := newFixture(t, serverMode+"loaders: ["+more+", /usr/lib/ipxe]\n")

	f.cli("machine", "add", "http", "--mac", "52:54:00:00:00:01", "--image", imageRef, "--ephemeral")
	all := []*guest{
		f.computer(lab.GuestOptions{Name: "http", MAC: "52:54:00:00:00:01", Firmware: lab.UEFI, ExtraArgs: lab.NoPXE}),
		f.guest("ia32", "52:54:00:00:00:02", api.Ephemeral, lab.UEFI32),
		f.guest("arm64", "52:54:00:00:00:03", api.Ephemeral, lab.ARM64),
	}
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	for _, pc := range all {
		if err := pc.PowerOn(ctx); err != nil {
			t.Fatal(err)
		}
	}
	for machine, steps := range map[string][]string{
		"http":  {"DISCOVER from UEFI x86-64 HTTP", "boot file http://10.77.0.1/loader/snponly.efi", "snponly.efi sent by HTTP", "script made"},
		"ia32":  {"DISCOVER from UEFI IA32", "boot file i386/snponly.efi", "i386/snponly.efi sent by TFTP"},
		"arm64": {"DISCOVER from UEFI arm64", "boot file arm64/snponly.efi", "arm64/snponly.efi sent by TFTP"},
	} {
		for _, step := range steps {
			f.waitFor(ctx, machine, step)
		}
	}
	lacks(t, f)
}

// header writes what firmware and server look at first in an EFI program: its
// processor (PE format, "COFF file header").
func header(t *testing.T, path string, machine uint16) {
	t.Helper()
	b := make([]byte, 4096)
	copy(b, "MZ")
	b[0x3c] = 0x80
	copy(b[0x80:], "PE\x00\x00")
	binary.LittleEndian.PutUint16(b[0x84:], machine)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

// lacks looks at what is said of the loaders that are there, and that are not.
func lacks(t *testing.T, f *fixture) {
	t.Helper()
	var l api.Loaders
	f.json(&l, "loaders")
	for _, x := range l.Loaders {
		switch x.Firmware {
		case "BIOS":
			if x.File != "undionly.kpxe" || x.Folder != "/usr/lib/ipxe" {
				t.Errorf("%+v", x)
			}
		case "UEFI riscv64":
			if x.File != "" || x.Lack != "put iPXE's snponly.efi for riscv64 as riscv64/snponly.efi into a folder of loaders: in the config" {
				t.Errorf("%+v", x)
			}
		}
	}
	if said := f.events("arm64", "no loader for its firmware"); len(said) != 0 {
		t.Errorf("arm64: %q", said)
	}
	for _, b := range f.boots("arm64") {
		if b.Stage != recorder.StageLoader {
			t.Errorf("arm64 has reached %s", b.Stage)
		}
	}
}
