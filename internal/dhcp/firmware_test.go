package dhcp

import (
	"fmt"
	"slices"
	"testing"

	"github.com/insomniacslk/dhcp/dhcpv4"
)

func TestFirmwareIsNamedAndPlaced(t *testing.T) {
	for f := range firmwareLimit {
		if f.String() == "" {
			t.Errorf("firmware %d has no name", f)
		}
		if f.HTTP() && !f.EFI() {
			t.Errorf("%s: HTTP boot is UEFI's", f)
		}
	}
	for f, want := range map[Firmware]string{
		BIOS: "false false", EFIX64: "true false", EFILoong64: "true false", UBootARM64: "false false",
		RaspberryPi: "false false", HTTPIA32: "true true", HTTPLoong64: "true true", FirmwareOther: "false false",
	} {
		if got := fmt.Sprint(f.EFI(), f.HTTP()); got != want {
			t.Errorf("%s: EFI, HTTP = %s, want %s", f, got, want)
		}
	}
}

func TestRaspberryPi(t *testing.T) {
	pi5 := unhex(t, `00 52 50 69 35 70 71 d0 00 3a dd e8 27 1e 12 34 56 78 9a`)[:17]
	pc := unhex(t, `00 67452301 ab89 efcd 0123 456789abcdef`)
	for _, tt := range []struct {
		name, mac string
		o         dhcpv4.Options
		want      Firmware
	}{
		{"by its UUID", "02:00:00:00:00:01", dhcpv4.Options{97: pi5}, RaspberryPi},
		{"by its MAC", "dc:a6:32:00:00:01", dhcpv4.Options{}, RaspberryPi},
		{"by its type, one day", "02:00:00:00:00:01", dhcpv4.Options{93: {0, 41}}, RaspberryPi},
		{"a PC", "52:54:00:00:00:01", dhcpv4.Options{97: pc}, BIOS},
		{"UEFI on a Pi", "dc:a6:32:00:00:01", dhcpv4.Options{93: {0, 11}}, EFIARM64},
		{"iPXE on a Pi", "dc:a6:32:00:00:01", dhcpv4.Options{93: {0, 11}, 175: {}}, EFIARM64},
	} {
		tt.o[60] = []byte("PXEClient:Arch:00000:UNDI:002001")
		q := query(&dhcpv4.DHCPv4{ClientHWAddr: mac(tt.mac), Options: tt.o}, Discover)
		if q.Firmware != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, q.Firmware, tt.want)
		}
	}
}

// What makes a Raspberry Pi take our address, byte for byte.
func TestRaspberryPiOffer(t *testing.T) {
	want := unhex(t, `06 01 03  0a 04 00 50 58 45  09 14 00 00 11
		52 61 73 70 62 65 72 72 79 20 50 69 20 42 6f 6f 74  ff`)
	if string(piBoot) != string(want) {
		t.Errorf("option 43: % x, want % x", piBoot, want)
	}
}

func TestFeatures(t *testing.T) {
	for name, tt := range map[string]struct {
		hex  string
		want Features
	}{
		"Debian 12's, BIOS": {`b1 05 01 80 86 10 0e  eb 03 01 00 00  17 01 01  22 01 01  13 01 01  11 01 01  27 01 01
			29 01 01  19 01 01  10 01 02  21 01 01  15 01 01  18 01 01  1b 01 01  26 01 01  12 01 01  25 01 01`,
			Features{0x17, 0x22, 0x13, 0x11, 0x27, 0x29, 0x19, 0x10, 0x21, 0x15, 0x18, 0x1b, 0x26, 0x12, 0x25}},
		"padding and end":   {`00 13 01 01 00 ff 11 01 01`, Features{0x13}},
		"cut off":           {`13 01 01 11 04 01`, Features{0x13}},
		"half an option":    {`13 01 01 11`, Features{0x13}},
		"none are features": {`b0 01 01 eb 03 01 00 00`, nil},
		"empty":             {``, nil},
	} {
		if got := features(unhex(t, tt.hex)); !slices.Equal(got, tt.want) {
			t.Errorf("%s: % x, want % x", name, got, tt.want)
		}
	}
}

func FuzzFeatures(f *testing.F) {
	f.Add([]byte{0xeb, 3, 1, 0, 0, 0x13, 1, 1, 255})
	f.Add([]byte{0x13})
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, c := range features(b) {
			if c < firstFeature || c > lastFeature {
				t.Errorf("%#x is no feature", c)
			}
		}
	})
}
