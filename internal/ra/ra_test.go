package ra

import (
	"encoding/hex"
	"strings"
	"testing"
)

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestSourceOf(t *testing.T) {
	for _, tt := range []struct{ name, packet, mac string }{
		{"iPXE's", "85 00 00 00  00 00 00 00  01 01 52 54 00 00 00 01", "52:54:00:00:00:01"},
		{"after another option", "85 00 00 00  00 00 00 00  0e 01 00 00 00 00 00 00  01 01 52 54 00 00 00 02", "52:54:00:00:00:02"},
		{"without a source", "85 00 00 00  00 00 00 00", ""},
		{"option of no length", "85 00 00 00  00 00 00 00  01 00 52 54 00 00 00 01", ""},
		{"option beyond the end", "85 00 00 00  00 00 00 00  01 02 52 54 00 00 00 01", ""},
		{"an advertisement", "86 00 00 00  00 00 00 00  01 01 52 54 00 00 00 01", ""},
		{"short", "85 00 00", ""},
	} {
		mac, ok := sourceOf(unhex(t, tt.packet))
		if mac.String() != tt.mac || ok != (tt.mac != "") {
			t.Errorf("%s: %s, %v; want %q", tt.name, mac, ok, tt.mac)
		}
	}
}

func FuzzSourceOf(f *testing.F) {
	f.Add([]byte{133, 0, 0, 0, 0, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7})
	f.Fuzz(func(t *testing.T, b []byte) {
		if mac, ok := sourceOf(b); ok && len(mac) != 6 {
			t.Errorf("MAC of %d bytes", len(mac))
		}
	})
}
