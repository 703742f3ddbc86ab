package backup

import (
	"bytes"
	"io"
	"testing"
)

// BenchmarkWrite and BenchmarkApply are per byte of data, disk and pipe aside.
func BenchmarkWrite(b *testing.B) {
	disk, changes := benchDisk()
	b.SetBytes(int64(len(disk)))
	for b.Loop() {
		if _, err := Write(b.Context(), io.Discard, header(len(disk), ""), bytes.NewReader(disk), changes, nil); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkApply(b *testing.B) {
	disk, changes := benchDisk()
	var stream bytes.Buffer
	if _, err := Write(b.Context(), &stream, header(len(disk), ""), bytes.NewReader(disk), changes, nil); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(disk)))
	for b.Loop() {
		if _, _, err := apply(bytes.NewReader(stream.Bytes()), disk); err != nil {
			b.Fatal(err)
		}
	}
}

func benchDisk() (plain, Changes) {
	disk := plain(bytes.Repeat([]byte("bootes! "), 64<<20/8))
	return disk, func(fn func(off, n int64, zero bool) error) error { return fn(0, int64(len(disk)), false) }
}
