package bytesize

import (
	"math"
	"testing"
)

func TestParse(t *testing.T) {
	for s, want := range map[string]int64{
		"0": 0, "4096": 4096, "4096B": 4096, "1K": 1 << 10, "512M": 512 << 20, "512m": 512 << 20, "10G": 10 << 30,
		"10GiB": 10 << 30, "10gib": 10 << 30, "2T": 2 << 40, "1.5G": 3 << 29, "0.5K": 512, "8388607T": 8388607 << 40,
		"9223372036854775807": math.MaxInt64,
	} {
		if n, err := Parse(s); err != nil || n != want {
			t.Errorf("%q: %d, %v; want %d", s, n, err, want)
		}
	}
	for _, s := range []string{
		"", "G", "-1", "-1G", "+1", "10 G", "10GB", "10X", "1.G", ".5G", "1.5", "1.5B", "1.2.3G", "1e3", "0x10", "1_000",
		"8388608T", "9223372036854775808", "8388607.9999T", "1.0000G", "１G", "10GG", "iB", "10iB", "Gi",
	} {
		if n, err := Parse(s); err == nil {
			t.Errorf("%q was read as %d", s, n)
		}
	}
}

func TestFormat(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 B", 1023: "1023 B", 1024: "1 KiB", 1536: "1.5 KiB", 10230: "9.99 KiB", 10239: "10 KiB", 102390: "100 KiB", 1023488: "1000 KiB",
		1 << 30: "1 GiB", 1234567890: "1.15 GiB", 20 << 30: "20 GiB", 1<<40 - 1: "1 TiB", 1<<63 - 1: "8 EiB",
	} {
		if got := Format(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}
