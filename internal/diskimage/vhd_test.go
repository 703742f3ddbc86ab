package diskimage

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// footers changes each footer of a VHD.
func footers(b []byte, change func(f []byte)) {
	at := []int{len(b) - 512}
	if string(b[:8]) == vhdCookie {
		at = append(at, 0)
	}
	for _, at := range at {
		f := b[at : at+512]
		change(f)
		binary.BigEndian.PutUint32(f[64:], vhdSum(f))
	}
}

// exported is disk in a foreign format.
func exported(t *testing.T, disk memory, format string) []byte {
	t.Helper()
	needQemuImg(t)
	out := create(t, filepath.Join(t.TempDir(), "disk"))
	if err := Export(t.Context(), out, disk, ExportOptions{Format: format, TmpDir: t.TempDir()}); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(out.Name())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func openBytes(t *testing.T, b []byte) (*Source, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "disk.vhd")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return Open(t.Context(), path, Options{TmpDir: t.TempDir()})
}

// TestVHDOfOthers: VirtualBox writes a geometry that is smaller than the disk,
// and qemu-img would believe it.
func TestVHDOfOthers(t *testing.T) {
	disk := holey(8<<20 + 512)
	for _, format := range []string{"vhd", "vhd-fixed"} {
		b := exported(t, disk, format)
		footers(b, func(f []byte) {
			copy(f[28:], "vbox")
			copy(f[56:], []byte{0, 16, 16, 63}) // cylinders, heads, sectors
		})
		s, err := openBytes(t, b)
		if err != nil {
			t.Fatal(err)
		}
		if s.Size() != disk.Size() || !bytes.Equal(contents(t, s), disk) {
			t.Errorf("%s: %d bytes of %d, or it differs", format, s.Size(), disk.Size())
		}
		s.Close()
	}
}

func TestVHDRefused(t *testing.T) {
	disk := holey(4 << 20)
	dynamic, fixed := exported(t, disk, "vhd"), exported(t, disk, "vhd-fixed")
	blocks := binary.BigEndian.Uint64(dynamic[512+16:])
	for _, tt := range []struct {
		name   string
		b      []byte
		change func(b []byte) []byte
		want   string
	}{
		{"difference", dynamic, func(b []byte) []byte {
			footers(b, func(f []byte) { f[63] = vhdDifferencing })
			copy(b[512+64:], []byte{0, 'b', 0, 'a', 0, 's', 0, 'e', 0, 0x1b})
			return b
		}, `parent disk "base?"`},
		{"difference, header nowhere", dynamic, func(b []byte) []byte {
			footers(b, func(f []byte) { f[63] = vhdDifferencing; f[16] = 0xff })
			return b
		}, "parent disk, and"},
		{"checksum", fixed, func(b []byte) []byte { b[len(b)-1] ^= 1; return b }, "checksum of its footer"},
		{"checksum of the copy", dynamic, func(b []byte) []byte { b[100] ^= 1; return b }, "checksum of its footer"},
		{"fixed, cut at its beginning", fixed, func(b []byte) []byte { return b[4096:] }, "truncated"},
		{"dynamic, cut at its beginning", dynamic, func(b []byte) []byte { return b[512:] }, "tells of type 3"},
		{"dynamic, cut at its end", dynamic, func(b []byte) []byte { return b[:len(b)-512] }, "footer is missing"},
		{"footers that differ", dynamic, func(b []byte) []byte {
			footers(b[:len(b)-512], func(f []byte) {})
			f := b[:512]
			f[55] ^= 1
			binary.BigEndian.PutUint32(f[64:], vhdSum(f))
			return b
		}, "footers differ"},
		{"larger than it is", fixed, func(b []byte) []byte {
			footers(b, func(f []byte) { f[48] = 0xff })
			return b
		}, "truncated"},
		{"unknown type", fixed, func(b []byte) []byte {
			footers(b, func(f []byte) { f[63] = 9 })
			return b
		}, "type 9"},
		{"block beyond the end", dynamic, func(b []byte) []byte {
			binary.BigEndian.PutUint32(b[blocks:], 1<<24)
			return b
		}, "truncated"},
	} {
		s, err := openBytes(t, tt.change(bytes.Clone(tt.b)))
		if err == nil {
			s.Close()
			t.Errorf("%s: taken", tt.name)
		} else if !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}
