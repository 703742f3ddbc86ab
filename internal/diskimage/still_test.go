package diskimage

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestSwappedMeanwhile: whoever gave us an image may still write to it. It must
// not become one that refers to another file once it has been looked at.
func TestSwappedMeanwhile(t *testing.T) {
	needQemuImg(t)
	dir := t.TempDir()
	secret := bytes.Repeat([]byte("secret! "), 1<<17)
	if err := os.WriteFile(filepath.Join(dir, "shadow"), secret, 0o600); err != nil {
		t.Fatal(err)
	}
	qemu(t, dir, "create", "-q", "-f", "qcow2", "innocent", "1M")
	qemu(t, dir, "create", "-q", "-f", "qcow2", "-b", filepath.Join(dir, "shadow"), "-F", "raw", "guilty", "1M")
	guilty, err := os.ReadFile(filepath.Join(dir, "guilty"))
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "innocent"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s, err := Open(t.Context(), f.Name(), Options{TmpDir: filepath.Join(dir, "tmp"), Room: func(size, data int64) error {
		_, err := f.WriteAt(guilty, 0)
		return err
	}})
	if err != nil {
		if !strings.Contains(err.Error(), "needs its backing file") || !strings.Contains(err.Error(), f.Name()) {
			t.Error(err)
		}
		return
	}
	defer s.Close()
	if bytes.Contains(contents(t, s), []byte("secret! ")) {
		t.Error("the disk holds a file that was not given")
	}
}

// TestWriterWaits: who wants to write to an image that is being converted waits,
// and the conversion is given up.
func TestWriterWaits(t *testing.T) {
	needQemuImg(t)
	dir := t.TempDir()
	qemu(t, dir, "create", "-q", "-f", "qcow2", "disk", "1M")
	opened := make(chan error, 1)
	o := Options{TmpDir: filepath.Join(dir, "tmp"), Room: func(size, data int64) error {
		go func() {
			f, err := os.OpenFile(filepath.Join(dir, "disk"), os.O_RDWR, 0)
			if err == nil {
				f.Close()
			}
			opened <- err
		}()
		select {
		case <-opened:
			t.Error("it may be written to")
		case <-time.After(300 * time.Millisecond):
		}
		return nil
	}}
	if _, err := Open(t.Context(), filepath.Join(dir, "disk"), o); err == nil || !strings.Contains(err.Error(), "opens it for writing") {
		t.Errorf("got %v", err)
	}
	if err := <-opened; err != nil {
		t.Error(err)
	}
}

// TestCopied: an image that somebody has open for writing is copied, holes and
// all.
func TestCopied(t *testing.T) {
	dir := t.TempDir()
	from := create(t, filepath.Join(dir, "from"))
	want := make([]byte, 8<<20+100)
	for _, at := range []int{0, 3<<20 + 17, 8<<20 + 50} {
		copy(want[at:], "content")
		if _, err := from.WriteAt([]byte("content"), int64(at)); err != nil {
			t.Fatal(err)
		}
	}
	if err := from.Truncate(int64(len(want))); err != nil {
		t.Fatal(err)
	}
	s, err := still(t.Context(), from, Options{TmpDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer s.done()
	got := make([]byte, len(want)+1)
	if n, _ := s.ReadAt(got, 0); n != len(want) || !bytes.Equal(got[:n], want) {
		t.Errorf("%d bytes, or they differ", n)
	}
	if n := allocated(t, s.File); n > 1<<20 || s.Name() != from.Name() {
		t.Errorf("%d bytes are allocated, for %s", n, s.Name())
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := still(ended, from, Options{TmpDir: dir}); err == nil {
		t.Error("copied on")
	}
	broken := errors.New("no room")
	if _, err := still(t.Context(), from, Options{TmpDir: dir, Room: func(size, data int64) error { return broken }}); !errors.Is(err, broken) {
		t.Errorf("without room: %v", err)
	}
}

// TestHiddenDescriptor: qemu-img would open the extents that this one names.
func TestHiddenDescriptor(t *testing.T) {
	path := filepath.Join(t.TempDir(), "disk.raw")
	for _, begin := range []string{"# a comment\n", "#\n \n  \r\n#\r\n", ""} {
		text := begin + "version=1\nCID=1\nparentCID=ffffffff\ncreateType=\"monolithicFlat\"\nRW 2048 FLAT \"/etc/shadow\" 0\n"
		if err := os.WriteFile(path, append([]byte(text), make([]byte, 1024-len(text))...), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(t.Context(), path, Options{TmpDir: t.TempDir()}); err == nil || !strings.Contains(err.Error(), "VMDK descriptor") {
			t.Errorf("%q: %v", begin, err)
		}
	}
}

// TestOwnerWritesMeanwhile: whoever gave us a file for an export writes
// references to another file there; that must not be written to.
func TestOwnerWritesMeanwhile(t *testing.T) {
	needQemuImg(t)
	dir := t.TempDir()
	precious := filepath.Join(dir, "precious")
	before := bytes.Repeat([]byte("v"), 1<<20)
	if err := os.WriteFile(precious, before, 0o600); err != nil {
		t.Fatal(err)
	}
	out := create(t, filepath.Join(dir, "out"))
	// A header extension of qcow2 that names an external data file.
	ext := make([]byte, 8+(len(precious)+7)&^7+8)
	binary.BigEndian.PutUint32(ext, 0x44415441)
	binary.BigEndian.PutUint32(ext[4:], uint32(len(precious)))
	copy(ext[8:], precious)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		for ctx.Err() == nil {
			var n [4]byte
			_, _ = out.ReadAt(n[:], 100)
			if at := binary.BigEndian.Uint32(n[:]); at >= qcowHeader3 && at < 200 {
				_, _ = out.WriteAt([]byte{qcowDataFile}, qcowFeatures+7)
				_, _ = out.WriteAt(ext, int64(at))
			}
		}
	}()
	for range 5 {
		_ = Export(t.Context(), out, holey(1<<20), ExportOptions{Format: "qcow2", TmpDir: dir})
		if b, err := os.ReadFile(precious); err != nil || !bytes.Equal(b, before) {
			t.Fatalf("another file was overwritten, %v", err)
		}
	}
}
