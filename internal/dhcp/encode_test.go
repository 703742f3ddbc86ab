package dhcp

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/insomniacslk/dhcp/dhcpv4"
)

// parts takes an encoded answer apart: the fields sname and file, and the
// options in their order, as "code:length".
func parts(b []byte) (sname, file []byte, options string) {
	var all []string
	for o := b[headerLen+4:]; o[0] != optEnd; o = o[2+int(o[1]):] {
		all = append(all, fmt.Sprintf("%d:%d", o[0], o[1]))
	}
	return b[snameAt:fileAt], b[fileAt:headerLen], strings.Join(all, " ")
}

func TestOptionOrder(t *testing.T) {
	o := dhcpv4.Options{}
	for _, code := range []uint8{1, 3, 6, 12, 15, 28, 42, 43, 51, 53, 54, 58, 59, 60, 66, 67, 82, 97, 121, 150, 175} {
		o[code] = []byte{1}
	}
	for _, tt := range []struct {
		name  string
		asked []byte
		want  []uint8
	}{
		{"nothing asked", nil, []uint8{53, 54, 51, 1, 60, 43, 67, 66, 175, 97, 58, 59, 3, 6, 12, 15, 28, 42, 121, 150}},
		{"as asked, once each, and what is needed besides", []byte{121, 3, 6, 3, 200, 1, 51},
			[]uint8{53, 54, 51, 121, 3, 6, 1, 60, 43, 67, 66, 175, 97, 58, 59, 150}},
		{"an option that a relay alone may see", []byte{82}, []uint8{53, 54, 51, 1, 60, 43, 67, 66, 175, 97, 58, 59, 150}},
	} {
		if got := optionOrder(o, tt.asked); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %d, want %d", tt.name, got, tt.want)
		}
	}
}

func TestEncode(t *testing.T) {
	p := &dhcpv4.DHCPv4{
		OpCode: 2, HWType: 1, TransactionID: [4]byte{1, 2, 3, 4}, Flags: 0x8000, ClientHWAddr: mac(knownMAC),
		ClientIPAddr: ip("10.0.0.1").AsSlice(), YourIPAddr: ip("10.0.0.2").AsSlice(), ServerIPAddr: ip("10.0.0.3").AsSlice(), GatewayIPAddr: ip("10.0.0.4").AsSlice(),
		ServerHostName: "host", BootFileName: strings.Repeat("f", 200),
		Options: dhcpv4.Options{53: {2}, 82: {1, 1, 7}, 12: {}},
	}
	got := encode(nil, p, nil, nil)
	want := unhex(t, `02 01 06 00  01 02 03 04  00 00 80 00  0a 00 00 01  0a 00 00 02  0a 00 00 03  0a 00 00 04
		52 54 00 00 00 01`+strings.Repeat(" 00", 10)+` 68 6f 73 74`+strings.Repeat(" 00", 60)+strings.Repeat(" 66", 127)+` 00
		63 82 53 63  35 01 02  0c 00  52 03 01 01 07  ff`)
	want = append(want, make([]byte, 300-len(want))...)
	if string(got) != string(want) {
		t.Errorf("got  % x\nwant % x", got, want)
	}
}

func TestEncodeFits(t *testing.T) {
	long := func(n int) []byte { return []byte(strings.Repeat("x", n)) }
	base := dhcpv4.Options{53: {2}, 54: {1, 2, 3, 4}, 67: []byte("boot"), 82: long(41)}
	for _, tt := range []struct {
		name    string
		maxSize string
		options dhcpv4.Options
		want    string
		size    int
		sname   string // its beginning
		file    string
	}{
		{"small", "", nil, "53:1 54:4 67:4 82:41", 300, "host", "boot"},
		{"exactly 576 bytes with the headers", "", dhcpv4.Options{200: long(247)}, "53:1 54:4 67:4 200:247 82:41", 548, "host", "boot"},
		{"a byte more, in sname", "", dhcpv4.Options{200: long(240), 201: long(7)}, "53:1 54:4 67:4 200:240 52:1 82:41", 544, "\xc9\x07xxxxxxx\xff\x00", "boot"},
		{"in file, too", "", dhcpv4.Options{200: long(240), 201: long(61), 202: long(40)}, "53:1 54:4 67:4 200:240 52:1 82:41", 544, "\xc9\x3dxx", "\xca\x28xx"},
		{"what does not fit at all is left out", "", dhcpv4.Options{200: long(240), 201: long(200), 202: long(3)}, "53:1 54:4 67:4 200:240 52:1 82:41", 544, "\xca\x03xxx\xff\x00", "boot"},
		{"the client takes more", "05dc", dhcpv4.Options{200: long(240), 201: long(200)}, "53:1 54:4 67:4 200:240 201:200 82:41", 743, "host", "boot"},
		{"a size below the least counts for nothing", "0040", dhcpv4.Options{200: long(247)}, "53:1 54:4 67:4 200:247 82:41", 548, "host", "boot"},
		{"a size of three bytes likewise", "05dc00", dhcpv4.Options{200: long(247), 201: long(1)}, "53:1 54:4 67:4 201:1 52:1 82:41", 305, "host", "boot"},
		{"no more than a frame", "ffff", dhcpv4.Options{200: long(1300)}, "53:1 54:4 67:4 52:1 82:41", 302, "host", "boot"},
		{"a long one in parts", "05dc", dhcpv4.Options{200: long(300)}, "53:1 54:4 67:4 200:255 200:45 82:41", 603, "host", "boot"},
	} {
		p := &dhcpv4.DHCPv4{ServerHostName: "host", BootFileName: "boot", Options: merge(base, tt.options)}
		b := encode(nil, p, nil, unhex(t, tt.maxSize))
		sname, file, options := parts(b)
		if options != tt.want || len(b) != tt.size || !strings.HasPrefix(string(sname), tt.sname) || !strings.HasPrefix(string(file), tt.file) {
			t.Errorf("%s: options %s in %d bytes, sname %.12q, file %.12q", tt.name, options, len(b), sname, file)
		}
		if !strings.HasSuffix(strings.TrimRight(string(b), "\x00"), "R\x29"+strings.Repeat("x", 41)+"\xff") {
			t.Errorf("%s: the relay's option is not the last", tt.name)
		}
	}
}

// Clients look for the message type among the options alone. What the relay takes
// out again does not keep it from there.
func TestEncodeLongRelayOption(t *testing.T) {
	for _, n := range []int{255, 280, 281, 300, 900} {
		relay := []byte(strings.Repeat("x", n))
		p := &dhcpv4.DHCPv4{Options: dhcpv4.Options{53: {2}, 54: {1, 2, 3, 4}, 51: {0, 0, 0, 1}, 200: make([]byte, 90), 82: relay}}
		b := encode(nil, p, nil, nil)
		_, file, options := parts(b)
		if !strings.HasPrefix(options, "53:1 54:4 51:4 52:1 82:") || file[0] != 200 {
			t.Errorf("a relay's option of %d bytes: options %s, file %.4x", n, options, file)
		}
		m, err := dhcpv4.FromBytes(b)
		if err != nil {
			t.Fatal(err)
		}
		if got := m.Options[82]; string(got) != string(relay) {
			t.Errorf("a relay's option of %d bytes: %d came back", n, len(got))
		}
	}
}

// Every option set is encoded within what the client takes.
func FuzzEncode(f *testing.F) {
	f.Add([]byte{3, 6, 1}, []byte{2, 64}, 10, 100, 60)
	f.Add([]byte{}, []byte{5, 220}, 255, 300, 255)
	f.Add([]byte{6}, []byte{}, 100, 300, 281)
	f.Fuzz(func(t *testing.T, asked, maxSize []byte, a, b, relay int) {
		o := dhcpv4.Options{53: {2}, 54: {1, 2, 3, 4}, 51: {0, 0, 0, 1}, 67: make([]byte, a&511), 200: make([]byte, b&511)}
		relayLen := 0
		if relay > 0 {
			o[82] = make([]byte, relay&1023)
			relayLen = encodedLen(o, []byte{82})
		}
		out := encode(nil, &dhcpv4.DHCPv4{ServerHostName: "host", BootFileName: "boot", Options: o}, asked, maxSize)
		if most := max(largest(maxSize), headerLen+4+firstRoom+relayLen+1); len(out) > most {
			t.Fatalf("%d bytes", len(out))
		}
		if _, _, options := parts(out); !strings.HasPrefix(options, "53:1 54:4 51:4") {
			t.Fatalf("options %s", options)
		}
	})
}
