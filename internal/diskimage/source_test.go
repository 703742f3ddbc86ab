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

	"go.uber.org/goleak"

	"bootes.dev/internal/needs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func needQemuImg(t *testing.T) {
	t.Helper()
	needs.Program(t, "qemu-img", "qemu-utils")
}

func qemu(t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := exec.Command("qemu-img", args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("qemu-img %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

const diskSize = 8 << 20

// makeRaw writes a disk with data in two places and holes around them.
func makeRaw(t *testing.T, path string) []byte {
	t.Helper()
	disk := make([]byte, diskSize)
	rnd := rand.NewChaCha8([32]byte{1})
	rnd.Read(disk[:2<<20])
	rnd.Read(disk[5<<20 : 6<<20])
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, at := range []int{0, 1 << 20, 5 << 20} {
		if _, err := f.WriteAt(disk[at:at+1<<20], int64(at)); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Truncate(diskSize); err != nil {
		t.Fatal(err)
	}
	return disk
}

func contents(t *testing.T, s *Source) []byte {
	t.Helper()
	b, err := io.ReadAll(io.NewSectionReader(s, 0, s.Size()))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// sparse puts together what the extents of s say.
func sparse(t *testing.T, s *Source) (disk []byte, data int64) {
	t.Helper()
	disk = make([]byte, s.Size())
	for off := int64(0); off < s.Size(); {
		start, end, err := s.Extent(off)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil || start < off || end <= start || start%512 != 0 || end%512 != 0 {
			t.Fatalf("extent from %d: %d to %d, %v", off, start, end, err)
		}
		if _, err := s.ReadAt(disk[start:end], start); err != nil {
			t.Fatal(err)
		}
		data += end - start
		off = end
	}
	return disk, data
}

func TestFormats(t *testing.T) {
	needQemuImg(t)
	for _, tt := range []struct {
		name   string
		format string // what Format says
		opts   []string
	}{
		{"raw", "raw", nil},
		{"qcow2", "qcow2", nil},
		{"qcow2 of version 2", "qcow2", []string{"-O", "qcow2", "-o", "compat=0.10"}},
		{"qcow2 compressed", "qcow2", []string{"-O", "qcow2", "-c"}},
		{"vmdk", "vmdk", nil},
		{"vmdk for streaming", "vmdk", []string{"-O", "vmdk", "-o", "subformat=streamOptimized"}},
		{"vpc", "vpc", []string{"-O", "vpc", "-o", "force_size"}},
		{"vpc fixed", "vpc", []string{"-O", "vpc", "-o", "subformat=fixed,force_size"}},
		{"vhdx", "vhdx", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			want := makeRaw(t, filepath.Join(dir, "disk.raw"))
			opts := tt.opts
			if opts == nil {
				opts = []string{"-O", tt.format}
			}
			// The extension lies, on purpose.
			qemu(t, dir, append(append([]string{"convert", "-f", "raw"}, opts...), "disk.raw", "disk.bin")...)
			tmp := filepath.Join(dir, "tmp")
			var last, calls, room int64
			s, err := Open(t.Context(), filepath.Join(dir, "disk.bin"), Options{
				TmpDir: tmp,
				Room: func(size, data int64) error {
					if size != diskSize {
						t.Errorf("room for a disk of %d bytes", size)
					}
					room = data
					return nil
				},
				Progress: func(done, total int64) {
					if done < last || total != diskSize {
						t.Errorf("progress %d of %d after %d", done, total, last)
					}
					last = done
					calls++
				},
			})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if s.Format() != tt.format || s.Size() != diskSize {
				t.Errorf("format %q size %d", s.Format(), s.Size())
			}
			if !bytes.Equal(contents(t, s), want) {
				t.Error("contents differ")
			}
			got, data := sparse(t, s)
			if !bytes.Equal(got, want) {
				t.Error("contents by extents differ")
			}
			if data > 5<<20 {
				t.Errorf("%d bytes of data, wrote 3 MiB", data)
			}
			if tt.format != "raw" && (room < 3<<20 || room > diskSize) {
				t.Errorf("asked for room for %d bytes, there are 3 MiB", room)
			}
			if tt.format != "raw" && (last != diskSize || calls < 2) {
				t.Errorf("progress ended at %d after %d calls", last, calls)
			}
			if left, _ := os.ReadDir(tmp); len(left) > 0 {
				t.Errorf("a name is in the temporary folder: %v", left)
			}
		})
	}
}

// TestReferences: no file but the image is ever read.
func TestReferences(t *testing.T) {
	needQemuImg(t)
	dir := t.TempDir()
	secret := filepath.Join(dir, "secret")
	if err := os.WriteFile(secret, bytes.Repeat([]byte("secret! "), 1<<17), 0o600); err != nil {
		t.Fatal(err)
	}
	qemu(t, dir, "create", "-f", "qcow2", "-b", secret, "-F", "raw", "backed.qcow2")
	qemu(t, dir, "create", "-f", "qcow2", "-o", "compat=0.10,backing_file="+secret+",backing_fmt=raw", "backed2.qcow2")
	qemu(t, dir, "create", "-f", "qcow2", "-o", "data_file=data.bin,data_file_raw=on", "outside.qcow2", "1M")
	qemu(t, dir, "create", "-f", "vmdk", "base.vmdk", "1M")
	qemu(t, dir, "create", "-f", "vmdk", "-b", "base.vmdk", "-F", "vmdk", "backed.vmdk")
	desc := "# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\ncreateType=\"monolithicFlat\"\nRW 2048 FLAT \"" + secret + "\" 0\n"
	for name, text := range map[string]string{"flat.vmdk": desc, "flat2.vmdk": "\n#x\n" + desc} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]string{
		"backed.qcow2":  `backing file "` + secret,
		"backed2.qcow2": `backing file "` + secret,
		"outside.qcow2": "external data file",
		"backed.vmdk":   `backing file "base.vmdk"`,
		"flat.vmdk":     "refers to other files",
		"flat2.vmdk":    "", // whatever qemu-img makes of it
	} {
		s, err := Open(t.Context(), filepath.Join(dir, name), Options{TmpDir: dir})
		if err == nil {
			s.Close()
			t.Errorf("%s was taken", name)
		} else if !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTruncated(t *testing.T) {
	needQemuImg(t)
	for _, format := range []string{"qcow2", "vmdk", "vpc", "vhdx"} {
		for _, tenths := range []int64{1, 5, 9} {
			dir := t.TempDir()
			makeRaw(t, filepath.Join(dir, "disk.raw"))
			name := filepath.Join(dir, "cut."+format)
			qemu(t, dir, "convert", "-f", "raw", "-O", format, "disk.raw", name)
			st, err := os.Stat(name)
			if err == nil {
				err = os.Truncate(name, st.Size()*tenths/10)
			}
			if err != nil {
				t.Fatal(err)
			}
			s, err := Open(t.Context(), name, Options{TmpDir: dir})
			if err == nil {
				s.Close()
				t.Errorf("%s cut to %d/10 was taken", format, tenths)
				continue
			}
			if !strings.Contains(err.Error(), "qemu-img says: ") && !strings.Contains(err.Error(), "truncated") || strings.Contains(err.Error(), "/dev/fd") {
				t.Errorf("%s cut to %d/10: %v", format, tenths, err)
			}
			t.Log(err)
		}
	}
}

func TestRefused(t *testing.T) {
	needQemuImg(t)
	dir := t.TempDir()
	write := func(name string, b []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	qemu(t, dir, "create", "-f", "vdi", "disk.vdi", "1M")
	qemu(t, dir, "create", "-f", "parallels", "disk.hdd", "1M")
	for _, tt := range []struct{ name, path, want string }{
		{"missing", filepath.Join(dir, "ghost"), "no such file"},
		{"folder", dir, "folder"},
		{"FIFO", fifo, "pipe"},
		{"device", "/dev/null", "device"},
		{"empty", write("empty", nil), "empty"},
		{"odd size", write("odd.raw", make([]byte, 1000)), "multiple of 512"},
		{"gzip", write("z.gz", []byte("\x1f\x8b\x08\x00 and so on")), "gunzip"},
		{"xz", write("z.xz", []byte("\xfd7zXZ\x00 and so on")), "unxz"},
		{"not what its name says", write("page.qcow2", make([]byte, 1024)), "its name ends in .qcow2"},
		{"tar", write("x.ova", append(make([]byte, 257), "ustar\x0000"...)), "tar archive"},
		{"VDI", filepath.Join(dir, "disk.vdi"), "VDI"},
		{"parallels", filepath.Join(dir, "disk.hdd"), "parallels"},
		{"tiny qcow2", write("tiny.qcow2", []byte("QFI\xfb\x00\x00\x00\x03")), "truncated"},
		{"garbage qcow2", write("bad.qcow2", append([]byte("QFI\xfb\x00\x00\x00\x03"), make([]byte, 1016)...)), "qemu-img says: "},
	} {
		s, err := Open(t.Context(), tt.path, Options{TmpDir: dir})
		if err == nil {
			s.Close()
			t.Errorf("%s: taken", tt.name)
			continue
		}
		var bad *FormatError
		if !errors.As(err, &bad) || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), tt.path) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

// TestWithoutQemuImg: raw files import all the same.
func TestWithoutQemuImg(t *testing.T) {
	dir := t.TempDir()
	want := makeRaw(t, filepath.Join(dir, "disk.raw"))
	for _, name := range []string{"disk.img", "disk.dat"} {
		if err := os.Link(filepath.Join(dir, "disk.raw"), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	qcow := filepath.Join(dir, "disk.qcow2")
	if err := os.WriteFile(qcow, append([]byte("QFI\xfb\x00\x00\x00\x03"), make([]byte, 1016)...), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
	for _, name := range []string{"disk.raw", "disk.img"} {
		s, err := Open(t.Context(), filepath.Join(dir, name), Options{TmpDir: dir})
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(contents(t, s), want) {
			t.Errorf("%s differs", name)
		}
		s.Close()
	}
	for _, name := range []string{"disk.dat", "disk.qcow2"} {
		_, err := Open(t.Context(), filepath.Join(dir, name), Options{TmpDir: dir})
		if !errors.Is(err, ErrNoQemuImg) || !errors.Is(err, exec.ErrNotFound) || !strings.Contains(err.Error(), "apt-get install qemu-utils") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCancelledConversion(t *testing.T) {
	needQemuImg(t)
	dir := t.TempDir()
	makeRaw(t, filepath.Join(dir, "disk.raw"))
	qemu(t, dir, "convert", "-f", "raw", "-O", "qcow2", "disk.raw", "disk.qcow2")
	ctx, cancel := context.WithCancel(t.Context())
	tmp := filepath.Join(dir, "tmp")
	_, err := Open(ctx, filepath.Join(dir, "disk.qcow2"), Options{TmpDir: tmp, Progress: func(done, total int64) { cancel() }})
	// A small image may be done before the program is told to stop.
	if err != nil && !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if left, _ := os.ReadDir(tmp); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	cancel()
	if _, err := Open(ctx, filepath.Join(dir, "disk.qcow2"), Options{TmpDir: tmp}); !errors.Is(err, context.Canceled) {
		t.Errorf("already ended: %v", err)
	}
}

// TestNoRoomBeforehand: nothing is converted where the caller sees no room.
func TestNoRoomBeforehand(t *testing.T) {
	needQemuImg(t)
	dir := t.TempDir()
	makeRaw(t, filepath.Join(dir, "disk.raw"))
	qemu(t, dir, "convert", "-f", "raw", "-O", "qcow2", "disk.raw", "disk.qcow2")
	full := errors.New("full")
	_, err := Open(t.Context(), filepath.Join(dir, "disk.qcow2"), Options{
		TmpDir:   filepath.Join(dir, "tmp"),
		Room:     func(size, data int64) error { return full },
		Progress: func(done, total int64) { t.Error("it was converted") },
	})
	var bad *FormatError
	if !errors.Is(err, full) || errors.As(err, &bad) {
		t.Errorf("got %v", err)
	}
}

// TestDescriptor: an image may come as an open file, which tells its name.
func TestDescriptor(t *testing.T) {
	dir := t.TempDir()
	want := makeRaw(t, filepath.Join(dir, "disk.raw"))
	f, err := os.Open(filepath.Join(dir, "disk.raw"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	t.Setenv("PATH", dir)
	s, err := Open(t.Context(), fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), f.Fd()), Options{TmpDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if !bytes.Equal(contents(t, s), want) {
		t.Error("contents differ")
	}
}

// TestNoRoomToConvert: the host is at fault, not the image.
func TestNoRoomToConvert(t *testing.T) {
	needQemuImg(t)
	needs.Root(t, "mount a small file system")
	dir := t.TempDir()
	makeRaw(t, filepath.Join(dir, "disk.raw"))
	qemu(t, dir, "convert", "-f", "raw", "-O", "qcow2", "disk.raw", "disk.qcow2")
	tmp := filepath.Join(dir, "tmp")
	if err := os.Mkdir(tmp, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", tmp, "tmpfs", 0, "size=1m"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Unmount(tmp, 0) })
	_, err := Open(t.Context(), filepath.Join(dir, "disk.qcow2"), Options{TmpDir: tmp})
	var bad *FormatError
	if err == nil || errors.As(err, &bad) || !strings.Contains(err.Error(), tmp) || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("got %v", err)
	}
}

func TestExtentOfHoleOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hole.raw")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 1<<20); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s, err := newSource(f, "raw")
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Extent(0); !errors.Is(err, io.EOF) {
		t.Errorf("got %v", err)
	}
}
