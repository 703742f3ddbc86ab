package bootfile

import (
	"bytes"
	"encoding/binary"
	"os"
	"testing"

	"bootes.dev/internal/needs"
)

// efi is the beginning of a PE32+ file, with a signature if it is to have one.
func efi(machine uint16, sign bool, text string) []byte {
	b := make([]byte, 0x400)
	copy(b, "MZ")
	b[0x3c] = 0x80
	copy(b[0x80:], "PE\x00\x00")
	binary.LittleEndian.PutUint16(b[0x84:], machine)
	binary.LittleEndian.PutUint16(b[0x98:], magicPlus)
	if sign {
		binary.LittleEndian.PutUint32(b[0x98+112+32:], 0x300)
		binary.LittleEndian.PutUint32(b[0x98+112+36:], 0x100)
	}
	copy(b[0x200:], text)
	return b
}

func TestIdentify(t *testing.T) {
	for _, tt := range []struct {
		b    []byte
		want File
		text string
	}{
		{efi(X64, false, "iPXE/%s"), File{Program: ipxe, Machine: X64}, "iPXE for UEFI on x86-64, not signed"},
		{efi(ARM64, true, "shim_lock GNU GRUB"), File{Program: "shim", Machine: ARM64, Signed: true}, "shim for UEFI on arm64, signed"},
		{efi(0x1234, false, ""), File{Machine: 0x1234}, "an EFI program that is not known here for UEFI on an unknown processor, not signed"},
		{[]byte("xxPXE->EB: at"), File{Program: ipxe}, "iPXE"},
		{[]byte("PXELINUX 6.04"), File{Program: "PXELINUX"}, "PXELINUX"},
		{[]byte("#!ipxe\necho iPXE> hello\n"), File{Program: "iPXE script", Script: true}, "a script for iPXE"},
		{[]byte("hello"), File{}, "no program that is known here"},
		{nil, File{}, "no program that is known here"},
	} {
		if got := Identify(tt.b); got != tt.want || got.String() != tt.text || got.IPXE() != (tt.want.Program == ipxe) {
			t.Errorf("%.20q: %+v, %q", tt.b, got, got)
		}
	}
}

// TestDebiansLoaders reads the real files.
func TestDebiansLoaders(t *testing.T) {
	if _, err := os.Stat("/usr/lib/ipxe/snponly.efi"); err != nil {
		needs.Skip(t, "needs Debian's package ipxe: %v", err)
	}
	for name, want := range map[string]File{
		"undionly.kpxe": {Program: ipxe}, "ipxe.pxe": {Program: ipxe}, "snponly.efi": {Program: ipxe, Machine: X64}, "ipxe.efi": {Program: ipxe, Machine: X64},
	} {
		b, err := os.ReadFile("/usr/lib/ipxe/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if got := Identify(b); got != want {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// FuzzIdentify: a boot file is whatever a server sends.
func FuzzIdentify(f *testing.F) {
	f.Add(efi(X64, true, "iPXE>"))
	f.Add([]byte("#!ipxe"))
	f.Add([]byte("MZ"))
	far := efi(X64, false, "")
	copy(far[0x3c:], "\xff\xff\xff\xff")
	f.Add(far)
	f.Fuzz(func(t *testing.T, b []byte) {
		if m := Machine(b); m != 0 && !bytes.Contains(b, []byte("PE\x00\x00")) {
			t.Errorf("machine %#x of what is no PE file", m)
		}
		if i := Identify(b); i.String() == "" {
			t.Error("no words")
		}
	})
}
