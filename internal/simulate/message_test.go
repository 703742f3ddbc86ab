package simulate

import (
	"bytes"
	"encoding/hex"
	"net"
	"os"
	"strings"
	"testing"

	"bootes.dev/internal/dhcp"
)

// captured is the n-th message of a client in a file of package dhcp.
func captured(t *testing.T, name string, n int) map[byte][]byte {
	t.Helper()
	b, err := os.ReadFile("../dhcp/testdata/" + name + ".txt")
	if err != nil {
		t.Fatal(err)
	}
	messages := strings.Split(string(b), "\n> ")[1:]
	digits := ""
	for _, line := range strings.Split(messages[n], "\n")[1:] {
		if line == "" || strings.HasPrefix(line, "<") || strings.HasPrefix(line, "#") {
			break
		}
		digits += strings.ReplaceAll(line, " ", "")
	}
	m, err := hex.DecodeString(digits)
	if err != nil {
		t.Fatal(err)
	}
	return options(m[bootpLen+4:], map[byte][]byte{})
}

// TestDiscoversAreThoseOfFirmware compares what is sent with captures.
func TestDiscoversAreThoseOfFirmware(t *testing.T) {
	c := client{mac: net.HardwareAddr{0x52, 0x54, 0, 0, 0, 1}, simulation: "x"}
	for _, tt := range []struct {
		firmware, capture string
		n                 int
		but               []byte // options that differ
	}{
		{"bios", "server-rom-bios", 0, []byte{optParameters}}, // that capture is of iPXE without its marks, which asks for 175
		{"efi", "server-edk2-pxe", 0, nil},
		{"efi32", "server-edk2-ia32", 0, []byte{optVendorClass, optNDI}}, // a card of another UNDI
		{"arm64", "server-edk2-arm64", 0, []byte{optVendorClass, optNDI}},
		{"http", "server-edk2-http", 0, []byte{optParameters}}, // EDK2 asks for option 235, too
		{"ipxe", "server-ipxe-efi", 0, nil},
		{"ipxe-bios", "server-ipxe-bios", 0, nil},
		{"uboot", "server-uboot-arm64", 0, nil},
		{"rpi", "server-raspberry-pi", 0, nil},
	} {
		f, err := FirmwareByName(tt.firmware)
		if err != nil {
			t.Fatal(err)
		}
		b := c.message(f, dhcp.Discover, 7, 0)
		want, got := captured(t, tt.capture, tt.n), options(b[bootpLen+4:], map[byte][]byte{})
		for _, code := range []byte{optMessageType, optMaxSize, optArchitecture, optNDI, optVendorClass, optUserClass, optIPXE, optParameters} {
			if !bytes.Equal(got[code], want[code]) && !bytes.ContainsRune(tt.but, rune(code)) {
				t.Errorf("%s, option %d: %x, captured %x", tt.firmware, code, got[code], want[code])
			}
		}
		if string(got[optClientID]) != string(dhcp.SimulatedID("x")) || !bytes.Equal(b[28:34], c.mac) || b[10] != 0x80 {
			t.Errorf("%s is not marked: %q", tt.firmware, got[optClientID])
		}
	}
	if _, err := FirmwareByName("amiga"); err == nil || err.Error() != `"amiga" is no kind of firmware: write one of bios, efi, efi32, arm64, http, ipxe, ipxe-bios, rpi, uboot, ipxe-efi32, ipxe-arm64` {
		t.Errorf("%v", err)
	}
}

func TestUUIDOnTheWire(t *testing.T) {
	efi, _ := FirmwareByName("efi")
	pi, _ := FirmwareByName("rpi")
	c := client{mac: net.HardwareAddr{0x52, 0x54, 0, 0, 0, 1}}
	if u := c.wireUUID(efi); hex.EncodeToString(u) != "00000000000000000000525400000001" {
		t.Errorf("of a MAC: %x", u)
	}
	if u := c.wireUUID(pi); !bytes.HasPrefix(u, []byte("RPi5")) {
		t.Errorf("of a Pi: %x", u)
	}
	c.uuid = [16]byte{0x67, 0x45, 0x23, 0x01, 0xab, 0x89, 0xef, 0xcd, 1, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef}
	if u := c.wireUUID(efi); hex.EncodeToString(u) != "01234567"+"89abcdef"+"0123456789abcdef" {
		t.Errorf("in the byte order of SMBIOS: %x", u)
	}
}
