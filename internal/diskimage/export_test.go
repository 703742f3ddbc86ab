package diskimage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"bootes.dev/internal/needs"
)

// memory is a disk.
type memory []byte

func (m memory) Size() int64 { return int64(len(m)) }

func (m memory) ReadAt(p []byte, off int64) (int, error) { return bytes.NewReader(m).ReadAt(p, off) }

// runs are the runs of m, as an engine tells them: some of the zeros as zeros,
// some as data, some not at all.
func (m memory) runs(fn func(off, n int64, zero bool) error) error {
	for i := 0; i*64<<10 < len(m); i++ {
		piece := m[i*64<<10 : min(len(m), (i+1)*64<<10)]
		zero := len(bytes.Trim(piece, "\x00")) == 0
		if zero && i%3 == 0 {
			continue
		}
		if err := fn(int64(i)*64<<10, int64(len(piece)), zero && i%3 == 1); err != nil {
			return err
		}
	}
	return nil
}

// holey is a disk with data in small and large pieces, to its last sector.
func holey(size int) memory {
	m := make(memory, size)
	rnd := rand.NewChaCha8([32]byte{2})
	for at := 0; at < size; at += 1 << 20 {
		n := 4096 << (at >> 20 % 6)
		rnd.Read(m[at:min(size, at+n)])
	}
	rnd.Read(m[size-512:])
	return m
}

func create(t *testing.T, path string) *os.File {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func allocated(t *testing.T, f *os.File) int64 {
	t.Helper()
	var st syscall.Stat_t
	if err := syscall.Fstat(int(f.Fd()), &st); err != nil {
		t.Fatal(err)
	}
	return st.Blocks * 512
}

// qemuName is what qemu-img calls an export format, and Format.
func qemuName(format string) string {
	if strings.HasPrefix(format, "vhd") && format != "vhdx" {
		return "vpc"
	}
	return format
}

// TestThereAndBack: every format gives back the disk that went in, with its
// size and its holes; qemu-img agrees.
func TestThereAndBack(t *testing.T) {
	needQemuImg(t)
	for _, size := range []int{512, 1 << 20, 8<<20 + 512, 33<<20 + 7*512} {
		disk := holey(size)
		for _, format := range ExportFormats() {
			t.Run(fmt.Sprint(format, " of ", size), func(t *testing.T) {
				dir := t.TempDir()
				raw := filepath.Join(dir, "want.raw")
				if err := os.WriteFile(raw, disk, 0o600); err != nil {
					t.Fatal(err)
				}
				out := create(t, filepath.Join(dir, "disk.bin"))
				out.WriteString("what was here before" + strings.Repeat("x", 1<<20))
				tmp := filepath.Join(dir, "tmp")
				var last, end, asked int64
				err := Export(t.Context(), out, disk, ExportOptions{
					Format: format, Runs: disk.runs, TmpDir: tmp,
					Room: func(size, data, times int64) error {
						asked = data * times
						if size != disk.Size() {
							t.Errorf("room for %d of %d bytes", data, size)
						}
						return nil
					},
					Progress: func(done, total int64) {
						if done < last || done > total {
							t.Errorf("progress %d of %d after %d", done, total, last)
						}
						last, end = done, total
					},
				})
				if err != nil {
					t.Fatal(err)
				}
				if last != end || end == 0 {
					t.Errorf("progress ended at %d of %d", last, end)
				}
				want := end
				if format != "raw" { // of three copies, two are there at once
					want = end / 3 * 2
				}
				if asked != want {
					t.Errorf("asked for room for %d bytes, wrote %d", asked, end)
				}
				if left, _ := os.ReadDir(tmp); len(left) > 0 {
					t.Errorf("a name is in the temporary folder: %v", left)
				}
				if n := allocated(t, out); size > 8<<20 && n > int64(size)/3 {
					t.Errorf("%d KiB of a disk of %d KiB are allocated", n>>10, size>>10)
				}
				qemu(t, dir, "compare", "-f", "raw", "-F", qemuName(format), raw, "disk.bin")

				s, err := Open(t.Context(), out.Name(), Options{TmpDir: tmp})
				if err != nil {
					t.Fatal(err)
				}
				defer s.Close()
				if s.Format() != qemuName(format) || s.Size() != int64(size) || !bytes.Equal(contents(t, s), disk) {
					t.Errorf("came back as %s of %d bytes, or differs", s.Format(), s.Size())
				}
				if got, data := sparse(t, s); !bytes.Equal(got, disk) || size > 8<<20 && data > int64(size)/3 {
					t.Errorf("by extents: %d KiB of data, or it differs", data>>10)
				}
			})
		}
	}
}

func TestExportedVMDKNamesItself(t *testing.T) {
	needQemuImg(t)
	out := create(t, filepath.Join(t.TempDir(), `gold"en.vmdk`))
	if err := Export(t.Context(), out, holey(1<<20), ExportOptions{Format: "vmdk", TmpDir: t.TempDir()}); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(out.Name())
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(b, []byte(`RW 2048 SPARSE "golden.vmdk"`)) {
		t.Errorf("descriptor: %.400s", b[512:])
	}
	o := ExportOptions{Format: "vmdk", Name: "/srv/debian.vmdk", TmpDir: t.TempDir()}
	if err := Export(t.Context(), out, holey(1<<20), o); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(out.Name()); err != nil || !bytes.Contains(b, []byte(`RW 2048 SPARSE "debian.vmdk"`)) {
		t.Errorf("renamed later: %v, descriptor: %.400s", err, b[512:])
	}
}

func TestExportRefused(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "precious")
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	open := func(flags int) *os.File {
		f, err := os.OpenFile(path, flags, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	for _, tt := range []struct {
		name   string
		out    *os.File
		disk   Disk
		format string
		want   string
	}{
		{"read only", open(os.O_RDONLY), holey(4096), "qcow2", "not open for"},
		{"append", open(os.O_RDWR | os.O_APPEND), holey(4096), "raw", "only for appending"},
		{"pipe", w, holey(4096), "raw", "not a file"},
		{"format", open(os.O_RDWR), holey(4096), "vdi", "none of raw, qcow2, vhd, vhd-fixed, vhdx, vmdk"},
		{"size", open(os.O_RDWR), vast{}, "vhd", "holds 2040 GiB"},
		{"room", open(os.O_RDWR), vast{}, "raw", "free"},
	} {
		err := Export(t.Context(), tt.out, tt.disk, ExportOptions{Format: tt.format, TmpDir: dir})
		if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "write disk image") {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	if b, _ := os.ReadFile(path); string(b) != "precious" {
		t.Errorf("the file holds %q", b)
	}
}

// vast is a disk of 1 PiB.
type vast struct{}

func (vast) Size() int64 { return 1 << 50 }

func (vast) ReadAt(p []byte, off int64) (int, error) { return len(p), nil }

func TestExportFails(t *testing.T) {
	dir := t.TempDir()
	broken := errors.New("the chain is broken")
	ctx, cancel := context.WithCancel(t.Context())
	for _, tt := range []struct {
		name string
		o    ExportOptions
		disk Disk
		want error
	}{
		{"runs", ExportOptions{Runs: func(func(off, n int64, zero bool) error) error { return broken }}, holey(4096), broken},
		{"read", ExportOptions{}, unreadable{broken}, broken},
		{"short", ExportOptions{}, short{holey(4096)}, io.ErrUnexpectedEOF},
		{"room", ExportOptions{Format: "qcow2", Room: func(size, data, times int64) error { return broken }}, holey(4096), broken},
		{"cancelled", ExportOptions{Progress: func(done, total int64) { cancel() }}, holey(3 << 20), context.Canceled},
	} {
		tt.o.TmpDir = dir
		if err := Export(ctx, create(t, filepath.Join(dir, "out")), tt.disk, tt.o); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

type unreadable struct{ err error }

func (u unreadable) Size() int64 { return 4096 }

func (u unreadable) ReadAt(p []byte, off int64) (int, error) { return 0, u.err }

type short struct{ memory }

func (s short) Size() int64 { return s.memory.Size() + 512 }

func TestExportWithoutQemuImg(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PATH", dir)
	disk := holey(1 << 20)
	if err := Export(t.Context(), create(t, filepath.Join(dir, "a")), disk, ExportOptions{}); err != nil {
		t.Error(err)
	}
	err := Export(t.Context(), create(t, filepath.Join(dir, "b")), disk, ExportOptions{Format: "vhdx", TmpDir: dir})
	if !errors.Is(err, ErrNoQemuImg) || !errors.Is(err, exec.ErrNotFound) {
		t.Errorf("got %v", err)
	}
}

// TestExportToFullDisk: nothing of the host but the file's own file system is
// filled, and the error says which.
func TestExportToFullDisk(t *testing.T) {
	needQemuImg(t)
	needs.Root(t, "mount a small file system")
	full := filepath.Join(t.TempDir(), "full")
	if err := errors.Join(os.Mkdir(full, 0o700), syscall.Mount("tmpfs", full, "tmpfs", 0, "size=1m")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Unmount(full, 0) })
	disk := memory(bytes.Repeat([]byte{1}, 3<<20))
	lie := func(fn func(off, n int64, zero bool) error) error { return fn(0, 1<<19, false) }
	for _, format := range []string{"raw", "qcow2"} {
		out := create(t, filepath.Join(full, "out"))
		err := Export(t.Context(), out, disk, ExportOptions{Format: format, TmpDir: t.TempDir()})
		if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "1 MiB free") {
			t.Errorf("%s: %v", format, err)
		}
		out.Close()
	}
	out := create(t, filepath.Join(t.TempDir(), "out"))
	err := Export(t.Context(), out, disk, ExportOptions{Format: "qcow2", TmpDir: full})
	if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), full) {
		t.Errorf("temporary folder: %v", err)
	}
	if err := Export(t.Context(), out, disk, ExportOptions{Runs: lie}); err != nil {
		t.Errorf("few runs: %v", err)
	}
}
