package guestfs

import (
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"bootes.dev/internal/needs"
)

func need(t testing.TB, pkg string, tools ...string) {
	t.Helper()
	for _, tool := range tools {
		needs.Program(t, tool, pkg)
	}
}

func sh(t testing.TB, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "MTOOLS_SKIP_CHECK=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// strict is a disk that, as a block.Device, takes whole sectors only.
type strict struct {
	t testing.TB
	b []byte
}

func (s strict) ReadAt(p []byte, off int64) (int, error) {
	if off%512 != 0 || len(p)%512 != 0 || off < 0 || off+int64(len(p)) > int64(len(s.b)) {
		s.t.Errorf("read of %d bytes at %d of %d", len(p), off, len(s.b))
	}
	return copy(p, s.b[off:]), nil
}

func load(t testing.TB, path string) strict {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strict{t, b}
}

func (s strict) list(path string) (Listing, error) {
	return List(s.t.Context(), s, int64(len(s.b)), path)
}

func (s strict) cat(path string) (string, error) {
	c, err := Open(s.t.Context(), s, int64(len(s.b)), path)
	if err != nil {
		return "", err
	}
	defer c.Close()
	b, err := io.ReadAll(c)
	if err == nil && int64(len(b)) != c.Info.Size {
		err = fmt.Errorf("%d bytes of %d", len(b), c.Info.Size)
	}
	return string(b), err
}

func write(t testing.TB, path string, content []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
}

func noise(n int, seed byte) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{seed}).Read(b)
	return b
}

// pieces writes a file of size bytes with data at some places and holes
// elsewhere.
func pieces(t testing.TB, path string, size int64, at ...int64) {
	t.Helper()
	write(t, path, nil)
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for i, off := range at {
		if _, err := f.WriteAt(noise(4096, byte(i)), off); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
}

// tree is what a folder tree holds: for each path, what can be compared.
type tree map[string]string

// hostTree reads a folder of the host.
func hostTree(t testing.TB, dir string) tree {
	t.Helper()
	all := tree{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		st, err := d.Info()
		if err != nil {
			return err
		}
		switch {
		case d.IsDir():
			all[name] = fmt.Sprint(st.Mode(), " folder")
		case d.Type() == fs.ModeSymlink:
			to, err := os.Readlink(path)
			all[name] = fmt.Sprint(st.Mode(), " to ", to)
			return err
		case d.Type().IsRegular():
			b, err := os.ReadFile(path)
			all[name] = fmt.Sprint(st.Mode(), " ", sum(b))
			return err
		default:
			all[name] = fmt.Sprint(st.Mode())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func sum(b []byte) string { return fmt.Sprintf("%d bytes %x", len(b), sha256.Sum256(b)) }

// ourTree reads the same from a disk.
func ourTree(t testing.TB, s strict, root string) tree {
	t.Helper()
	all := tree{}
	var walk func(path, name string)
	walk = func(path, name string) {
		l, err := s.list(path)
		if err != nil {
			t.Error(err)
			return
		}
		for _, i := range l.Entries {
			if i.Err != nil {
				t.Errorf("%s in %s: %v", i.Name, path, i.Err)
			}
			name := filepath.Join(name, i.Name)
			switch i.Type {
			case Dir:
				all[name] = fmt.Sprint(i.Mode, " folder")
				walk(path+"/"+i.Name, name)
			case Symlink:
				all[name] = fmt.Sprint(i.Mode, " to ", i.Target)
			case File:
				b, err := s.cat(path + "/" + i.Name)
				if err != nil {
					t.Error(err)
				}
				all[name] = fmt.Sprint(i.Mode, " ", sum([]byte(b)))
			default:
				all[name] = fmt.Sprint(i.Mode)
			}
		}
	}
	walk(root, "")
	return all
}

func compare(t testing.TB, got, want tree) {
	t.Helper()
	for name, what := range want {
		if got[name] != what {
			t.Errorf("%q: %s, want %s", name, got[name], what)
		}
	}
	for name, what := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("%q: %s, which should not be there", name, what)
		}
	}
}

// populate makes a folder tree with all that file systems find hard.
func populate(t testing.TB, dir string) {
	t.Helper()
	write(t, filepath.Join(dir, "usr/lib/os-release"), []byte("NAME=\"Boötes\"\n"))
	write(t, filepath.Join(dir, "etc/hostname"), []byte("pc14\n"))
	write(t, filepath.Join(dir, "empty"), nil)
	write(t, filepath.Join(dir, "one"), []byte{1})
	write(t, filepath.Join(dir, "block"), noise(4096, 1))
	write(t, filepath.Join(dir, "large"), noise(5<<20+123, 2))
	pieces(t, filepath.Join(dir, "sparse"), 12<<20+1, 0, 8192, 5<<20, 9<<20)
	pieces(t, filepath.Join(dir, "hole"), 20<<20)
	var at []int64
	for i := range int64(900) {
		at = append(at, i*12288)
	}
	pieces(t, filepath.Join(dir, "comb"), 900*12288, at...)
	for _, name := range []string{" leading and trailing ", "a:b", "p2:x", "new\nline", "esc\x1b[2J", "ünï¢ødé", "latin\xe4", strings.Repeat("n", 255), "-rf", "back\\slash", "\"quoted\"", "#tag"} {
		write(t, filepath.Join(dir, "odd", name), []byte(name))
	}
	for i := range 3000 {
		write(t, filepath.Join(dir, "big", fmt.Sprintf("file-%05d-%s", i, strings.Repeat("x", i%40))), nil)
	}
	deep := filepath.Join(dir, strings.Repeat("deep/", 60), "file")
	write(t, deep, []byte("down here"))
	long := strings.Repeat("../", 30) + "etc/hostname" // 102 bytes: not in the inode
	for name, to := range map[string]string{
		"etc/os-release": "../usr/lib/os-release", "lib": "usr/lib", "abs": "/etc/hostname", "slow": long,
		"loop": "loop", "ring1": "ring2", "ring2": "ring1", "dangling": "/nowhere/at/all", "out": "../../../../etc/hostname",
		"n59": "./" + strings.Repeat("/", 45) + "etc/hostname", "n60": "./" + strings.Repeat("/", 46) + "etc/hostname", "self": ".",
	} {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, mode := range map[string]fs.FileMode{"one": fs.ModeSetuid | fs.ModeSticky | 0o751, "odd": 0o700, "block": fs.ModeSetgid | 0o600} {
		if err := os.Chmod(filepath.Join(dir, name), mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chtimes(filepath.Join(dir, "block"), time.Time{}, time.Unix(5e9, 123456789)); err != nil {
		t.Fatal(err)
	}
}
