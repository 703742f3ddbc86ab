package dhcp

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/insomniacslk/dhcp/dhcpv4"
)

func mac(s string) net.HardwareAddr {
	m, err := net.ParseMAC(s)
	if err != nil {
		panic(err)
	}
	return m
}

// header is the fixed part of a BOOTREQUEST from 52:54:00:00:00:01, with the
// magic cookie.
var header = `01 01 06 00  01 02 03 04  00 00 80 00` + strings.Repeat(` 00`, 16) +
	` 52 54 00 00 00 01` + strings.Repeat(` 00`, 10+64+128) + ` 63 82 53 63`

func TestDecode(t *testing.T) {
	good := header + ` 35 01 01  ff`
	for _, tt := range []struct {
		name string
		hex  string
		want MessageType
		err  error
	}{
		{"DISCOVER", good, Discover, nil},
		{"without the end option", header + ` 35 01 03`, Request, nil},
		{"rubbish after the end", good + ` 01 02`, Discover, nil},
		{"no message type (BOOTP)", header + ` ff`, 0, errNotRequest},
		{"a server's message type", header + ` 35 01 02  ff`, 0, errNotRequest},
		{"message type of two bytes", header + ` 35 02 01 01  ff`, 0, errNotRequest},
		{"BOOTREPLY", strings.Replace(good, "01", "02", 1), 0, errNotRequest},
		{"hardware address of 16 bytes", strings.Replace(good, "01 01 06", "01 01 10", 1), 0, errMalformed},
		{"no hardware address", strings.Replace(good, "52 54 00 00 00 01", "00 00 00 00 00 00", 1), 0, errMalformed},
		{"multicast hardware address", strings.Replace(good, "52 54", "53 54", 1), 0, errMalformed},
		{"other magic cookie", strings.Replace(good, "63 82", "63 83", 1), 0, errMalformed},
		{"option longer than the packet", header + ` 35 01 01  0c 7f 61`, 0, errMalformed},
		{"short", `01 01 06 00`, 0, errMalformed},
		{"empty", ``, 0, errMalformed},
	} {
		var m dhcpv4.DHCPv4
		got, err := decode(unhex(t, tt.hex), &m)
		if !errors.Is(err, tt.err) || err == nil && tt.err != nil || got != tt.want {
			t.Errorf("%s: %v, %v; want %v, %v", tt.name, got, err, tt.want, tt.err)
		}
	}
}

// decode reads what the library reads, and as it does.
func FuzzDecode(f *testing.F) {
	f.Add(say{t: Discover, giaddr: "10.78.0.1", class: classEFI}.datagram().data)
	f.Add(say{t: Request, ciaddr: "10.77.0.100"}.datagram().data)
	f.Fuzz(func(t *testing.T, b []byte) {
		m := dhcpv4.DHCPv4{Options: dhcpv4.Options{optVendor: {1}}}
		_, err := decode(bytes.Clone(b), &m)
		if err != nil {
			l, lerr := dhcpv4.FromBytes(append(bytes.Clone(b), optEnd))
			if lerr == nil && b[0] == bootRequest && b[2] == ethernetLen && l.MessageType() == dhcpv4.MessageTypeDiscover &&
				b[28]&1 == 0 && !uniform(b[28:34]) {
				t.Fatalf("refused: %v", err)
			}
			return
		}
		l, err := dhcpv4.FromBytes(append(bytes.Clone(b), 0, optEnd)) // an option without length and value at the end
		if err != nil {
			t.Fatalf("the library: %v", err)
		}
		m.ServerHostName, m.BootFileName = l.ServerHostName, l.BootFileName
		if got, want := m.Summary(), l.Summary(); got != want || len(m.Options) != len(l.Options) {
			t.Fatalf("got %s\nwant %s", got, want)
		}
	})
}

func TestQuery(t *testing.T) {
	b := unhex(t, header+` 35 01 03
		0c 04 70 63 31 00
		32 04 0a 4d 00 09
		36 04 0a 4d 00 01
		3c 20 50 58 45 43 6c 69 65 6e 74 3a 41 72 63 68 3a 30 30 30 30 37 3a 55 4e 44 49 3a 30 30 33 30 31 36
		4d 04 69 50 58 45
		5d 02 00 07
		61 11 00 67 45 23 01 ab 89 ef cd 01 23 45 67 89 ab cd ef
		ff`)
	copy(b[12:], []byte{10, 77, 0, 8})
	m := &dhcpv4.DHCPv4{Options: dhcpv4.Options{optHostName: []byte("of the message before"), optRouter: {1}}}
	typ, err := decode(b, m)
	if err != nil {
		t.Fatal(err)
	}
	q := query(m, typ)
	clear(b) // nothing may refer to the buffer
	clear(m.ClientHWAddr)
	want := Query{
		Type: Request, MAC: mac("52:54:00:00:00:01"), Xid: 0x01020304, Firmware: EFIX64, IPXE: true, NetBoot: true,
		UUID:        [16]byte{0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef},
		VendorClass: "PXEClient:Arch:00007:UNDI:003016", Hostname: "pc1",
		Requested: ip("10.77.0.9"), ServerID: ip("10.77.0.1"), CIAddr: ip("10.77.0.8"),
	}
	if fmt.Sprint(q) != fmt.Sprint(want) {
		t.Errorf("got  %+v\nwant %+v", q, want)
	}
}

func TestIPXE(t *testing.T) {
	for _, tt := range []struct {
		name string
		o    dhcpv4.Options
		want bool
	}{
		{"user class as iPXE sends it", dhcpv4.Options{77: []byte("iPXE")}, true},
		{"user class with its length (RFC 3004)", dhcpv4.Options{77: []byte("\x04iPXE")}, true},
		{"gPXE", dhcpv4.Options{77: []byte("gPXE")}, true},
		{"encapsulated options only", dhcpv4.Options{175: {0xeb, 3, 1, 0, 0}}, true},
		{"another user class", dhcpv4.Options{77: []byte("lab")}, false},
		{"none", dhcpv4.Options{}, false},
	} {
		if got := isIPXE(tt.o); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

// Something between us and this iPXE has taken options 77 and 175 from its
// messages, but not its wish for 175.
func TestAsksAsIPXE(t *testing.T) {
	for hex, want := range map[string]bool{"01 03 06 af cb": true, "01 03 06 2b": false, "": false} {
		m := &dhcpv4.DHCPv4{ClientHWAddr: mac("52:54:00:00:00:01"), Options: dhcpv4.Options{optParameters: unhex(t, hex)}}
		if q := query(m, Discover); q.AsksAsIPXE != want || q.IPXE {
			t.Errorf("parameters %q: asks as iPXE: %v, want %v; is iPXE: %v", hex, q.AsksAsIPXE, want, q.IPXE)
		}
	}
}

func TestFirmware(t *testing.T) {
	for _, tt := range []struct {
		class, arch string
		want        Firmware
	}{
		{"PXEClient:Arch:00000:UNDI:002001", "00 00", BIOS},
		{"PXEClient:Arch:00006:UNDI:003016", "00 06", EFIIA32},
		{"PXEClient:Arch:00007:UNDI:003016", "00 07", EFIX64},
		{"PXEClient:Arch:00009:UNDI:003016", "00 09", EFIX64},
		{"PXEClient:Arch:00011:UNDI:003016", "00 0b", EFIARM64},
		{"HTTPClient:Arch:00015:UNDI:003016", "00 0f", HTTPIA32},
		{"HTTPClient:Arch:00016:UNDI:003016", "00 10", HTTPX64},
		{"HTTPClient:Arch:00019:UNDI:003016", "00 13", HTTPARM64},
		{"PXEClient", "00 02  00 07", EFIX64},                   // a list: the first known
		{"PXEClient:Arch:00007:UNDI:003016", "", EFIX64},        // only in the class
		{"PXEClient:Arch:00000:UNDI:002001", "00 07", EFIX64},   // option 93 counts
		{"PXEClient", "", FirmwareOther},                        //
		{"PXEClient:Arch:99999:UNDI:002001", "", FirmwareOther}, //
		{"PXEClient:Arch:00010:UNDI:003000", "00 0a", EFIARM32},
		{"PXEClient:Arch:00041:UNDI:002001", "00 29", RaspberryPi},
		{"HTTPClient:Arch:00018:UNDI:003000", "00 12", HTTPARM32},
		{"PXEClient:Arch:00027:UNDI:003000", "00 1b", EFIRISCV64},
		{"HTTPClient:Arch:00028:UNDI:003000", "00 1c", HTTPRISCV64},
		{"PXEClient:Arch:00039:UNDI:003000", "00 27", EFILoong64},
		{"HTTPClient:Arch:00040:UNDI:003000", "00 28", HTTPLoong64},
		{"U-Boot.armv7", "00 15", UBootARM32},
		{"U-Boot.armv8", "00 16", UBootARM64},
		{"U-Boot.armv8", "", UBootARM64}, // built without PXE: no option 93
		{"U-Boot.armv7", "", UBootARM32},
		{"PXEClient:Arch:00011:UNDI:003000", "00 0b", EFIARM64}, // U-Boot's bootefi
		{"PXEClient", "07", FirmwareOther},                      // half a number
		{"MSFT 5.0", "00 07", FirmwareNone},
		{"", "", FirmwareNone},
	} {
		if got := firmware(tt.class, unhex(t, tt.arch)); got != tt.want {
			t.Errorf("firmware(%q, %s) = %v, want %v", tt.class, tt.arch, got, tt.want)
		}
	}
}

func TestCanonicalUUID(t *testing.T) {
	for _, tt := range []struct{ name, hex, want string }{
		{"mixed-endian", `00 67452301 ab89 efcd 0123 456789abcdef`, "0123456789abcdef0123456789abcdef"},
		{"absent", ``, strings.Repeat("0", 32)},
		{"zeros", `00 00000000 0000 0000 0000 000000000000`, strings.Repeat("0", 32)},
		{"ones", `00 ffffffff ffff ffff ffff ffffffffffff`, strings.Repeat("0", 32)},
		{"another type", `01 67452301 ab89 efcd 0123 456789abcdef`, strings.Repeat("0", 32)},
		{"short", `00 67452301`, strings.Repeat("0", 32)},
	} {
		if got := fmt.Sprintf("%x", canonicalUUID(unhex(t, tt.hex))); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

func TestMayLease(t *testing.T) {
	os, rom := Query{}, Query{NetBoot: true}
	for _, tt := range []struct {
		name         string
		q            Query
		d            Decision
		serveUnknown bool
		want         bool
	}{
		{"known machine, OS", os, Decision{Serve: true}, false, true},
		{"known machine, firmware", rom, Decision{Serve: true}, false, true},
		{"unknown, firmware", rom, Decision{}, false, true},
		{"unknown, OS", os, Decision{}, false, false},
		{"unknown, OS, served", os, Decision{}, true, true},
	} {
		x := &exchange{l: &link{config: InterfaceConfig{ServeUnknown: tt.serveUnknown}}, q: tt.q, d: tt.d}
		got, reason := x.mayLease()
		if got != tt.want || got == (reason != "") {
			t.Errorf("%s: %v, %q", tt.name, got, reason)
		}
	}
	x := &exchange{l: &link{}, q: os, d: Decision{Reason: "add it so"}}
	if _, reason := x.mayLease(); reason != "add it so" {
		t.Errorf("the policy's reason became %q", reason)
	}
}

func TestNetworkArithmetic(t *testing.T) {
	for prefix, want := range map[string]string{
		"10.77.0.0/24": "ffffff00 10.77.0.255", "10.0.0.0/8": "ff000000 10.255.255.255",
		"192.0.2.4/31": "fffffffe 192.0.2.5", "0.0.0.0/0": "00000000 255.255.255.255", "192.0.2.1/32": "ffffffff 192.0.2.1",
	} {
		p := netip.MustParsePrefix(prefix)
		if got := fmt.Sprintf("%x %s", mask(p), lastOf(p)); got != want {
			t.Errorf("%s: %s, want %s", prefix, got, want)
		}
	}
}

func TestStrings(t *testing.T) {
	for v, want := range map[fmt.Stringer]string{
		Discover: "DISCOVER", Inform: "INFORM", MessageType(9): "type 9", MessageType(0): "type 0",
		ModeProxy: "proxy", ModeServer: "server", BIOS: "BIOS", HTTPARM64: "EFI arm64 HTTP", Firmware(99): "unknown",
	} {
		if v.String() != want {
			t.Errorf("%v, want %s", v, want)
		}
	}
}
