package lab

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// headers of a frame from a client without an address; the lengths and the
// checksum are for the test to fill in.
const (
	etherHeader = "ff ff ff ff ff ff  52 54 00 77 00 01  08 00"
	ipHeader    = "45 00 %len  00 00 00 00  40 11 00 00  00 00 00 00  ff ff ff ff"
	udpHeader   = "00 44 00 43  %udp  00 00"
)

// dhcpFrame is a DHCP message with the given options in a frame.
func dhcpFrame(t testing.TB, options string) []byte {
	t.Helper()
	payload := append(make([]byte, bootpOptions-4), unhex(t, "63 82 53 63"+options)...)
	hex16 := func(n int) string { return hex.EncodeToString([]byte{byte(n >> 8), byte(n)}) }
	head := strings.NewReplacer("%len", hex16(20+8+len(payload)), "%udp", hex16(8+len(payload))).
		Replace(etherHeader + ipHeader + udpHeader)
	frame := append(unhex(t, head), payload...)
	u, ok := parseUDP(frame)
	if !ok {
		t.Fatal("the test's own frame does not parse")
	}
	u.fixChecksum()
	return frame
}

func TestChecksum(t *testing.T) {
	for _, tt := range []struct{ name, frame, want string }{
		{"even length", etherHeader + `
			45 00 00 20  00 00 00 00  40 11 00 00  0a 4d 00 01  0a 4d 00 02
			00 45 04 00  00 0c 00 00  00 04 00 01`,
			// 0a4d+0001+0a4d+0002 + 0011+000c + 0045+0400+000c + 0004+0001 = 1910
			"e6 ef"},
		{"odd length", etherHeader + `
			45 00 00 1d  00 00 00 00  40 11 00 00  0a 4d 00 01  0a 4d 00 02
			00 45 04 00  00 09 00 00  01`,
			// 149d + 0011+0009 + 0045+0400+0009 + 0100 = 1a05
			"e5 fa"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			u, ok := parseUDP(unhex(t, tt.frame))
			if !ok {
				t.Fatal("frame does not parse")
			}
			u.fixChecksum()
			if got := u.udp[6:8]; !bytes.Equal(got, unhex(t, tt.want)) {
				t.Errorf("checksum % x, want %s", got, tt.want)
			}
		})
	}
}

func TestParseUDPRefuses(t *testing.T) {
	good := `45 00 00 1d  00 00 00 00  40 11 00 00  0a 4d 00 01  0a 4d 00 02  00 45 04 00  00 09 00 00  01`
	for _, tt := range []struct{ name, frame string }{
		{"empty", ""},
		{"ARP", strings.Replace(etherHeader, "08 00", "08 06", 1) + good},
		{"IPv6", etherHeader + "6" + good[1:]},
		{"TCP", etherHeader + strings.Replace(good, "40 11", "40 06", 1)},
		{"fragment", etherHeader + strings.Replace(good, "00 00 00 00", "00 00 20 00", 1)},
		{"short header", etherHeader + "44" + good[2:]},
		{"cut", etherHeader + good[:len(good)-4]},
		{"UDP length too long", etherHeader + strings.Replace(good, "00 09", "00 0a", 1)},
		{"UDP length too short", etherHeader + strings.Replace(good, "00 09", "00 07", 1)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if u, ok := parseUDP(unhex(t, tt.frame)); ok {
				t.Errorf("parsed as %+v", u)
			}
		})
	}
	if _, ok := parseUDP(unhex(t, etherHeader+good)); !ok {
		t.Error("the frame that the others are made from does not parse")
	}
}
