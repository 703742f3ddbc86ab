package backup

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"flag"
	"hash/crc32"
	"io"
	"os"
	"strings"
	"testing"
)

// small is a difference of a disk of 4 blocks and a sector: one block of data,
// zeros, and the sector.
func small(t testing.TB) ([]byte, Header) {
	disk := make(plain, 4*BlockSize+512)
	copy(disk[BlockSize:], bytes.Repeat([]byte("bootes! "), BlockSize/8))
	copy(disk[4*BlockSize:], bytes.Repeat([]byte{0xaa}, 512))
	h := header(len(disk), earlier)
	return write(t, h, disk, func(fn func(off, n int64, zero bool) error) error {
		return errors.Join(fn(BlockSize, BlockSize, false), fn(2*BlockSize, 2*BlockSize, true), fn(4*BlockSize, 512, false))
	}), h
}

var update = flag.Bool("update", false, "rewrite the golden file")

// TestGolden holds the stream to its description in docs/FORMAT.md.
func TestGolden(t *testing.T) {
	stream, _ := small(t)
	const path = "testdata/small.hex"
	if *update {
		if err := os.WriteFile(path, []byte(hex.Dump(stream)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := hex.Dump(stream); got != string(want) {
		t.Errorf("the stream has changed:\n%s", got)
	}
}

// TestTruncated: a stream is of no use without its last byte.
func TestTruncated(t *testing.T) {
	stream, h := small(t)
	for n := range stream {
		_, _, err := apply(bytes.NewReader(stream[:n]), make(plain, h.Size))
		var format *FormatError
		if !errors.As(err, &format) || !strings.Contains(err.Error(), "truncated") || format.At != int64(n) {
			t.Fatalf("cut to %d of %d: %v", n, len(stream), err)
		}
	}
}

// TestFlipped: no bit of a stream may change.
func TestFlipped(t *testing.T) {
	stream, h := small(t)
	for i := range stream {
		bad := bytes.Clone(stream)
		bad[i] ^= 1 << (i % 8)
		_, _, err := apply(bytes.NewReader(bad), make(plain, h.Size))
		var format *FormatError
		var version *VersionError
		if !errors.As(err, &format) && !errors.As(err, &version) {
			t.Fatalf("byte %d: %v", i, err)
		}
	}
	if _, _, err := apply(bytes.NewReader(append(stream, 0)), make(plain, h.Size)); err == nil || !strings.Contains(err.Error(), "follows") {
		t.Errorf("with more behind: %v", err)
	}
}

func TestNewerVersion(t *testing.T) {
	stream, _ := small(t)
	binary.LittleEndian.PutUint32(stream[8:], 7)
	_, err := NewReader(bytes.NewReader(stream[:20])) // whatever follows
	if err == nil || !strings.Contains(err.Error(), "version 7") || !strings.Contains(err.Error(), "version 1") {
		t.Errorf("got %v", err)
	}
}

func TestNoBackup(t *testing.T) {
	for text, want := range map[string]string{
		"\x1f\x8b\x08":               "zcat",
		"\x28\xb5\x2f\xfdxxxxxxxxxx": "zstdcat",
		"hello":                      "no backup",
		strings.Repeat("x", 100):     "no backup",
		"":                           "truncated",
		"BTBACK":                     "truncated",
	} {
		if _, err := NewReader(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// mend makes the checksums of what looks like a stream right.
func mend(b []byte) []byte {
	b = bytes.Clone(b)
	if len(b) < headerFix {
		return b
	}
	n := headerFix + int(min(binary.LittleEndian.Uint32(b[12:]), maxJSON))
	if len(b) < n+4 {
		return b
	}
	binary.LittleEndian.PutUint32(b[n:], crc32.Checksum(b[:n], castagnoli))
	for at := n + 4; len(b)-at >= recordSize; {
		kind, length := recordType(b[at+4]), binary.LittleEndian.Uint64(b[at+16:])
		end := at + recordSize
		switch {
		case kind == typeData && length <= uint64(len(b)-end):
			end += int(length)
		case kind == typeEnd && len(b)-at >= tailSize:
			end = at + hashAt
		}
		binary.LittleEndian.PutUint32(b[at:], crc32.Checksum(b[at+4:end], castagnoli))
		if kind == typeEnd && len(b)-at >= tailSize {
			sum := sha256.Sum256(b[:end])
			copy(b[end:], sum[:])
			return b
		}
		at = end
	}
	return b
}

// TestRecordsRefused: streams that are whole, and lie.
func TestRecordsRefused(t *testing.T) {
	stream, h := small(t)
	first := headerFix + int(binary.LittleEndian.Uint32(stream[12:])) + 4
	second := first + recordSize + BlockSize
	trailer := len(stream) - tailSize
	if got := mend(stream); !bytes.Equal(got, stream) {
		t.Fatal("mend changes a good stream")
	}
	for _, tt := range []struct {
		name  string
		at    int
		value uint64
		want  string
	}{
		{"offset unaligned", first + 8, 100, "no whole blocks"},
		{"offset outside", first + 8, 1 << 40, "in a disk of"},
		{"offset negative", first + 8, 1<<64 - 4096, "in a disk of"},
		{"overlap", second + 8, BlockSize, "after one that ends"},
		{"backwards", second + 8, 0, "after one that ends"},
		{"length zero", second + 16, 0, "of 0 bytes"},
		{"length odd", second + 16, 100, "no whole blocks"},
		{"length outside", second + 16, 1 << 62, "in a disk of"},
		{"length wraps", second + 16, 1<<64 - 1, "in a disk of"},
		{"wrong count", trailer + 8, 4, "tells of 4 records"},
		{"wrong data", trailer + 16, 1, "tells of 3 records with 1 bytes"},
		{"wrong zeros", trailer + 24, 1, "1 of zeros"},
		{"unknown type", second, 9 << 32, "unknown type"},
		{"flags", second, 1<<40 | 2<<32, "unknown type"},
	} {
		bad := bytes.Clone(stream)
		binary.LittleEndian.PutUint64(bad[tt.at:], tt.value)
		if _, _, err := apply(bytes.NewReader(mend(bad)), make(plain, h.Size)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

// TestMoreThanTold: room is checked by what the header tells.
func TestMoreThanTold(t *testing.T) {
	stream, h := small(t)
	less := bytes.Replace(stream, []byte(`"data":4608`), []byte(`"data":4607`), 1)
	if _, _, err := apply(bytes.NewReader(mend(less)), make(plain, h.Size)); err == nil || !strings.Contains(err.Error(), "more data") {
		t.Errorf("got %v", err)
	}
}

func TestLargeRecordRefused(t *testing.T) {
	b, err := appendHeader(nil, header(1<<40, ""))
	if err != nil {
		t.Fatal(err)
	}
	rec := make([]byte, recordSize)
	rec[4] = byte(typeData)
	binary.LittleEndian.PutUint64(rec[16:], 1<<39)
	if _, _, err := apply(bytes.NewReader(append(b, rec...)), nil); err == nil || !strings.Contains(err.Error(), "bytes of data") {
		t.Errorf("got %v", err)
	}
}

func FuzzReader(f *testing.F) {
	stream, _ := small(f)
	f.Add(stream, false)
	f.Add(stream, true)
	f.Fuzz(func(t *testing.T, b []byte, whole bool) {
		if whole {
			b = mend(b)
		}
		r, err := NewReader(bytes.NewReader(b))
		if err != nil {
			return
		}
		var end, data int64
		for {
			rec, err := r.Next()
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				var format *FormatError
				if !errors.As(err, &format) {
					t.Fatal(err)
				}
				return
			}
			if rec.Off < end || rec.Len <= 0 || rec.Off+rec.Len > r.Header().Size || !rec.Zero && int64(len(rec.Data)) != rec.Len {
				t.Fatalf("record %d+%d after %d", rec.Off, rec.Len, end)
			}
			end = rec.Off + rec.Len
			data += int64(len(rec.Data))
			if data > r.Header().Data {
				t.Fatal("more data than told")
			}
		}
	})
}
