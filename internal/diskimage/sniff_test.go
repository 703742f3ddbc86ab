package diskimage

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
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

// qcowHeader is a version 3 header with the given fields.
func qcowHeader(t testing.TB, backing, backingLen, features string) []byte {
	return unhex(t, `
		51 46 49 fb  00 00 00 03`+ // magic, version
		backing+backingLen+`
		00 00 00 10  00 00 00 00 00 10 00 00  00 00 00 00`+ // cluster bits, size, no encryption
		strings.Repeat("00 ", 36)+ // L1 table, refcounts, snapshots
		features+strings.Repeat("00 ", 24))
}

func TestSniffQcow2(t *testing.T) {
	const none, noLen, noFeat = "00 00 00 00 00 00 00 00", "00 00 00 00", "00 00 00 00 00 00 00 00"
	named := append(qcowHeader(t, "00 00 00 00 00 00 00 68", "00 00 00 0b", noFeat), "/etc/shadow"...)
	for _, tt := range []struct {
		name string
		b    []byte
		want string // of the error; "" for none
	}{
		{"plain", qcowHeader(t, none, noLen, noFeat), ""},
		{"dirty is fine", qcowHeader(t, none, noLen, "00 00 00 00 00 00 00 01"), ""},
		{"backing file", named, `backing file "/etc/shadow"`},
		{"backing file, name outside", qcowHeader(t, "7f ff ff ff ff ff ff ff", "00 00 00 0b", noFeat), "backing file, and"},
		{"backing file, huge name", qcowHeader(t, "00 00 00 00 00 00 00 68", "ff ff ff ff", noFeat), "backing file, and"},
		{"external data", qcowHeader(t, none, noLen, "00 00 00 00 00 00 00 04"), "external data file"},
		{"cut in the header", qcowHeader(t, none, noLen, noFeat)[:90], "incomplete"},
		{"cut early", qcowHeader(t, none, noLen, noFeat)[:20], "incomplete"},
		{"version 9", unhex(t, "51 46 49 fb 00 00 00 09"), "unknown version"},
	} {
		format, err := sniff(bytes.NewReader(tt.b), int64(len(tt.b)))
		if tt.want == "" {
			if format != "qcow2" || err != nil {
				t.Errorf("%s: %q, %v", tt.name, format, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

// mbr is a first sector with one partition entry, and a second sector.
func mbr(t testing.TB, entry, second string) []byte {
	b := make([]byte, 446)
	b = append(b, unhex(t, entry)...)
	b = append(b, make([]byte, 48)...)
	b = append(b, 0x55, 0xaa)
	b = append(b, unhex(t, second)...)
	return append(b, make([]byte, 1024-len(b))...)
}

func TestTableEnd(t *testing.T) {
	const gpt = "45 46 49 20 50 41 52 54  00 00 01 00 5c 00 00 00  00 00 00 00 00 00 00 00  01 00 00 00 00 00 00 00"
	const protective = "00 00 02 00 ee ff ff ff  01 00 00 00 ff ff ff ff"
	for _, tt := range []struct {
		name string
		b    []byte
		want uint64
	}{
		{"zeros", make([]byte, 1024), 0},
		{"one partition", mbr(t, "80 00 00 00 83 00 00 00  00 08 00 00 00 10 00 00", ""), 0x1800},
		{"GPT", mbr(t, protective, gpt+"ff ff 00 00 00 00 00 00"), 0x10000},
		{"GPT, copy at the end of all numbers", mbr(t, protective, gpt+"ff ff ff ff ff ff ff ff"), 1<<64 - 1},
		{"protective without GPT", mbr(t, protective, ""), 0},
		{"code where entries would be", mbr(t, "e8 00 00 00 83 00 00 00  00 08 00 00 00 10 00 00", ""), 0},
	} {
		if got := tableEnd(tt.b); got != tt.want {
			t.Errorf("%s: %#x, want %#x", tt.name, got, tt.want)
		}
	}
}

func TestCutRawDisk(t *testing.T) {
	b := mbr(t, "80 00 00 00 83 00 00 00  00 08 00 00 00 10 00 00", "")
	whole, cut := int64(0x1800*512), int64(0x17ff*512)
	if err := checkPartitions(bytes.NewReader(b), whole); err != nil {
		t.Errorf("whole: %v", err)
	}
	if err := checkPartitions(bytes.NewReader(b), cut); err == nil || !strings.Contains(err.Error(), "truncated") {
		t.Errorf("cut: %v", err)
	}
}

func FuzzSniff(f *testing.F) {
	f.Add(qcowHeader(f, "00 00 00 00 00 00 00 68", "00 00 00 0b", "00 00 00 00 00 00 00 00"))
	f.Add([]byte("conectix"))
	f.Add([]byte("KDMV"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) == 0 {
			return
		}
		format, err := sniff(bytes.NewReader(b), int64(len(b)))
		if format == "" && err == nil {
			t.Error("neither a format nor an error")
		}
		var ref *ReferenceError
		if errors.As(err, &ref) && len(ref.Name) > 4096 {
			t.Errorf("name of %d bytes", len(ref.Name))
		}
	})
}

func FuzzTableEnd(f *testing.F) {
	f.Add(mbr(f, "80 00 00 00 83 00 00 00  00 08 00 00 00 10 00 00", ""))
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := checkPartitions(bytes.NewReader(b), int64(len(b))); errors.Is(err, io.EOF) {
			t.Error("read beyond the disk")
		}
	})
}
