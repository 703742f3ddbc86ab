package tftp

import (
	"bytes"
	"encoding/hex"
	"reflect"
	"strings"
	"testing"
)

// unhex reads spaced hex.
func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestReadRequest(t *testing.T) {
	for _, tt := range []struct {
		name string
		hex  string
		want request
		bad  bool
	}{
		{name: "plain RRQ",
			hex:  `00 01  66 2e 65 66 69 00  6f 63 74 65 74 00`,
			want: request{op: opRRQ, filename: "f.efi", mode: "octet"}},
		{name: "options, mixed case",
			hex:  `00 01  66 00  4f 43 54 45 54 00  42 6c 6b 53 69 7a 65 00 31 34 36 38 00`,
			want: request{opRRQ, "f", "octet", []option{{"blksize", "1468"}}}},
		{name: "WRQ", hex: `00 02  66 00  6f 63 74 65 74 00`, want: request{op: opWRQ, filename: "f", mode: "octet"}},
		{name: "padded with NULs", hex: `00 01  66 00  6f 63 74 65 74 00  00 00 00`, want: request{op: opRRQ, filename: "f", mode: "octet"}},
		{name: "option without value", hex: `00 01  66 00  6f 63 74 65 74 00  74 73 00`, want: request{op: opRRQ, filename: "f", mode: "octet"}},
		{name: "no NUL at the end", hex: `00 01  66 00  6f 63`, bad: true},
		{name: "no mode", hex: `00 01  66 00`, bad: true},
		{name: "no name", hex: `00 01  00  6f 63 74 65 74 00`, bad: true},
		{name: "ACK", hex: `00 04  00 01`, bad: true},
		{name: "one byte", hex: `00`, bad: true},
		{name: "empty", bad: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var r request
			err := r.UnmarshalBinary(unhex(t, tt.hex))
			if (err != nil) != tt.bad {
				t.Fatalf("err = %v", err)
			}
			if !tt.bad && !reflect.DeepEqual(r, tt.want) {
				t.Errorf("got %+v, want %+v", r, tt.want)
			}
		})
	}
}

func TestReadAnswer(t *testing.T) {
	for _, tt := range []struct {
		name string
		hex  string
		want answer
		bad  bool
	}{
		{name: "ACK", hex: `00 04  01 02`, want: answer{op: opACK, number: 0x102}},
		{name: "ERROR", hex: `00 05  00 08  6e 6f 00`, want: answer{opERROR, 8, "no"}},
		{name: "ERROR without NUL", hex: `00 05  00 00  6e 6f`, want: answer{opERROR, 0, "no"}},
		{name: "ERROR without text", hex: `00 05  00 00`, want: answer{op: opERROR}},
		{name: "DATA", hex: `00 03  00 01`, bad: true},
		{name: "short", hex: `00 04  00`, bad: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var a answer
			err := a.UnmarshalBinary(unhex(t, tt.hex))
			if (err != nil) != tt.bad || !tt.bad && a != tt.want {
				t.Errorf("got %+v, %v; want %+v", a, err, tt.want)
			}
		})
	}
}

func TestNegotiate(t *testing.T) {
	for _, tt := range []struct {
		name  string
		asked []option
		want  terms
	}{
		{"none", nil, terms{block: 512, window: 1}},
		{"unknown only: no OACK", []option{{"multicast", ""}}, terms{block: 512, window: 1}},
		{"blksize", []option{{"blksize", "1432"}}, terms{block: 1432, window: 1, oack: []option{{"blksize", "1432"}}}},
		{"blksize beyond our limit", []option{{"blksize", "8192"}}, terms{block: 1468, window: 1, oack: []option{{"blksize", "1468"}}}},
		{"blksize too small", []option{{"blksize", "7"}}, terms{block: 512, window: 1}},
		{"blksize no number", []option{{"blksize", "big"}}, terms{block: 512, window: 1}},
		{"tsize", []option{{"tsize", "0"}}, terms{block: 512, window: 1, oack: []option{{"tsize", "99"}}}},
		{"timeout", []option{{"timeout", "2"}}, terms{block: 512, window: 1, timeout: 2e9, oack: []option{{"timeout", "2"}}}},
		{"timeout out of range", []option{{"timeout", "256"}}, terms{block: 512, window: 1}},
		{"windowsize beyond our limit", []option{{"windowsize", "65535"}}, terms{block: 512, window: 64, oack: []option{{"windowsize", "64"}}}},
		{"windowsize 0", []option{{"windowsize", "0"}}, terms{block: 512, window: 1}},
		{"twice: the first counts", []option{{"blksize", "600"}, {"blksize", "700"}}, terms{block: 600, window: 1, oack: []option{{"blksize", "600"}}}},
	} {
		if got := negotiate(tt.asked, 99, 1468, 64); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: got %+v, want %+v", tt.name, got, tt.want)
		}
	}
}

func TestCleanName(t *testing.T) {
	for name, want := range map[string]string{
		"undionly.kpxe":         "undionly.kpxe",
		"/undionly.kpxe":        "undionly.kpxe",
		"//a//b":                "a/b",
		`\Boot\BCD`:             "Boot/BCD",
		"../../etc/passwd":      "etc/passwd",
		`..\..\etc/passwd`:      "etc/passwd",
		"a/../../b":             "b",
		"a/./b/":                "a/b",
		"snponly.efi\xff":       "snponly.efi",
		"..":                    "",
		"/":                     "",
		"...":                   "...",
		"a/..":                  "",
		"loader/../loader/x.0 ": "loader/x.0 ",
	} {
		if got := cleanName(name); got != want {
			t.Errorf("cleanName(%q) = %q, want %q", name, got, want)
		}
	}
}

func FuzzRequest(f *testing.F) {
	f.Add(unhex(f, `00 01  66 00  6f 63 74 65 74 00  74 73 69 7a 65 00 30 00`))
	f.Add(unhex(f, `00 02  66 00  6f 63 74 65 74 00`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var r, again request
		if r.UnmarshalBinary(b) != nil {
			return
		}
		p, err := r.AppendBinary(nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := again.UnmarshalBinary(p); err != nil || !reflect.DeepEqual(r, again) {
			t.Fatalf("%q reads as %+v, written and read again as %+v, %v", b, r, again, err)
		}
		if name := cleanName(r.filename); strings.HasPrefix(name, "/") || name == ".." || strings.HasPrefix(name, "../") ||
			strings.Contains(name, "/../") || strings.HasSuffix(name, "/..") || strings.Contains(name, `\`) {
			t.Fatalf("cleanName(%q) = %q", r.filename, name)
		}
		if n := negotiate(r.options, 1, 1468, 64); n.block < minBlock || n.block > 1468 || n.window < 1 || n.window > 64 {
			t.Fatalf("agreed on %+v", n)
		}
	})
}

func FuzzAnswer(f *testing.F) {
	f.Add(unhex(f, `00 04  00 01`))
	f.Add(unhex(f, `00 05  00 08  6e 6f 00`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var a answer
		if a.UnmarshalBinary(b) == nil && bytes.Contains([]byte(a.message), []byte{0}) {
			t.Fatalf("message %q holds a NUL", a.message)
		}
	})
}
