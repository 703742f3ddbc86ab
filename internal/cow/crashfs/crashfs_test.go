package crashfs_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"
	"testing"

	"bootes.dev/internal/cow/crashfs"
	"bootes.dev/internal/cow/vfs"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func ok(err error) {
	if err != nil {
		panic(err)
	}
}

func create(fs vfs.FS, name string) vfs.File {
	return must(fs.OpenFile(name, os.O_RDWR|os.O_CREATE))
}

func content(fs vfs.FS, name string) string {
	p, err := vfs.ReadFile(fs, name, 1<<20)
	if err != nil {
		return "none"
	}
	return string(p)
}

// TestLikeTheKernel does the same random things here and on a real file
// system.
func TestLikeTheKernel(t *testing.T) {
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 1))
		ours, dir := crashfs.New(1, "/"), t.TempDir()
		names := []string{"/a", "/b", "/d", "/d/a", "/d/b", "/e", "/e/a"}
		for step := range 400 {
			x, y := names[rng.IntN(len(names))], names[rng.IntN(len(names))]
			seed := rng.Uint64()
			a, aerr := doOne(ours, x, y, seed)
			b, berr := doOne(vfs.OS(), dir+x, dir+y, seed)
			if a != b || reason(aerr) != reason(berr) {
				t.Fatalf("seed %d, step %d, %s %s: %q, %v; the kernel: %q, %v", seed, step, x, y, a, aerr, b, berr)
			}
		}
	}
}

// doOne does one thing and says what is to be seen.
func doOne(f vfs.FS, x, y string, seed uint64) (string, error) {
	rng := rand.New(rand.NewPCG(seed, 2))
	switch rng.IntN(8) {
	case 0:
		return "mkdir", f.Mkdir(x)
	case 1:
		if strings.HasPrefix(y, x+"/") || strings.HasPrefix(x, y+"/") || x == y {
			return "", nil
		}
		from, _ := f.Stat(x)
		if to, err := f.Stat(y); err == nil && (to.Dir || from.Dir) { // not needed, and refused in many ways
			return "", nil
		}
		return "rename", f.Rename(x, y)
	case 2:
		return "remove", f.Remove(x)
	case 3:
		names, err := f.List(path.Dir(x))
		return fmt.Sprint(names), err
	}
	flag := []int{os.O_RDWR, os.O_RDWR | os.O_CREATE, os.O_RDWR | os.O_CREATE | os.O_EXCL, os.O_RDONLY}[rng.IntN(4)]
	if i, err := f.Stat(x); err == nil && i.Dir {
		return "folder", nil
	}
	h, err := f.OpenFile(x, flag)
	if err != nil {
		return "open", err
	}
	defer h.Close()
	for range 4 {
		off, n := rng.Int64N(10000), rng.IntN(6000)
		switch rng.IntN(4) {
		case 0:
			err = second(h.WriteAt(bytes.Repeat([]byte{byte(seed)}, n), off))
		case 1:
			err = h.Truncate(off)
		case 2:
			err = h.Punch(off, int64(n)+1)
		case 3:
			err = h.Sync()
		}
		if err != nil {
			return "change", err
		}
	}
	p, err := vfs.ReadFile(f, x, 1<<20)
	return string(p), err
}

func second(_ int, err error) error { return err }

// reason is what callers can tell of an error.
func reason(err error) error {
	if errors.Is(err, syscall.ENOTDIR) {
		return fs.ErrNotExist
	}
	if errors.Is(err, syscall.EINVAL) { // truncate of what is open for reading
		return syscall.EBADF
	}
	for _, e := range []error{fs.ErrNotExist, fs.ErrExist, syscall.ENOTEMPTY, syscall.EBADF} {
		if errors.Is(err, e) {
			return e
		}
	}
	return err
}

// states returns what the crashes of a log leave of some files.
func states(l *crashfs.Log, power bool, names ...string) []string {
	set := map[string]bool{}
	l.Crashes(crashfs.Bounds{Random: 50}, func(c crashfs.Crash) bool {
		if c.Power == power {
			var s []string
			for _, n := range names {
				s = append(s, content(c.FS(), n))
			}
			set[strings.Join(s, " ")] = true
		}
		return true
	})
	return slices.Sorted(maps.Keys(set))
}

// TestCrashes states in full what crashes may leave of small histories.
func TestCrashes(t *testing.T) {
	sector := func(c string) string { return strings.Repeat(c, 512) }
	write := func(f vfs.File, p string, off int64) { must(f.WriteAt([]byte(p), off)) }
	for _, c := range []struct {
		name        string
		run         func(fs vfs.FS, f vfs.File) // f is /d/f, which holds "A" and "B", a sector of each
		names       []string
		power, kill []string
	}{
		{
			"two sectors", func(_ vfs.FS, f vfs.File) { write(f, sector("x")+sector("y"), 0) }, []string{"/d/f"},
			[]string{sector("A") + sector("B"), sector("A") + sector("y"), sector("x") + sector("B"), sector("x") + sector("y")},
			[]string{sector("A") + sector("B"), sector("x") + sector("y")},
		}, {
			"one sector twice", func(_ vfs.FS, f vfs.File) { write(f, "1", 0); write(f, "2", 1) }, []string{"/d/f"},
			[]string{"12" + sector("A")[2:] + sector("B"), "1" + sector("A")[1:] + sector("B"), sector("A") + sector("B")}, // never 2 alone
			[]string{"12" + sector("A")[2:] + sector("B"), "1" + sector("A")[1:] + sector("B"), sector("A") + sector("B")},
		}, {
			"synced", func(_ vfs.FS, f vfs.File) { write(f, sector("x"), 0); ok(f.Sync()); write(f, sector("y"), 512) }, []string{"/d/f"},
			[]string{sector("A") + sector("B"), sector("x") + sector("B"), sector("x") + sector("y")}, // y only after x
			[]string{sector("A") + sector("B"), sector("x") + sector("B"), sector("x") + sector("y")},
		}, {
			"longer", func(_ vfs.FS, f vfs.File) { write(f, sector("C"), 1024) }, []string{"/d/f"},
			[]string{sector("A") + sector("B"), sector("A") + sector("B") + sector("C"), sector("A") + sector("B") + sector("\x00")},
			[]string{sector("A") + sector("B"), sector("A") + sector("B") + sector("C")},
		}, {
			"new name", func(fs vfs.FS, f vfs.File) {
				write(create(fs, "/d/g"), "x", 0)
				ok(must(fs.OpenFile("/d/g", os.O_RDWR)).Sync())
				ok(fs.SyncDir("/d"))
			}, []string{"/d/g"}, []string{"", "\x00", "none", "x"}, []string{"", "none", "x"},
		}, {
			"moved and moved back", func(fs vfs.FS, f vfs.File) {
				ok(fs.Rename("/d/f", "/e/f"))
				ok(fs.Rename("/e/f", "/d/g"))
				ok(fs.SyncDir("/e"))
			}, []string{"/d/f", "/e/f", "/d/g"},
			[]string{sector("A") + sector("B") + " none none", "none " + sector("A") + sector("B") + " none", "none none " + sector("A") + sector("B")},
			[]string{sector("A") + sector("B") + " none none", "none " + sector("A") + sector("B") + " none", "none none " + sector("A") + sector("B")},
		}, {
			"folders know nothing of each other", func(fs vfs.FS, f vfs.File) {
				create(fs, "/d/1")
				create(fs, "/e/2")
				ok(fs.SyncDir("/e"))
			}, []string{"/d/1", "/e/2"}, []string{" ", " none", "none ", "none none"}, []string{" ", " none", "none none"},
		}, {
			"failed sync", func(fs vfs.FS, f vfs.File) {
				write(f, sector("x"), 0)
				fs.(*crashfs.FS).SetFault(func(op, _ string) error { return map[string]error{"sync": syscall.EIO}[op] })
				_ = f.Sync()
				fs.(*crashfs.FS).SetFault(nil)
				ok(f.Sync())
				create(fs, "/d/retried")
			}, []string{"/d/f", "/d/retried"},
			[]string{sector("A") + sector("B") + " ", sector("A") + sector("B") + " none", sector("x") + sector("B") + " none"},
			[]string{sector("A") + sector("B") + " none", sector("x") + sector("B") + " ", sector("x") + sector("B") + " none"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			fs := crashfs.New(7, "/")
			ok(fs.Mkdir("/d"))
			ok(fs.Mkdir("/e"))
			f := create(fs, "/d/f")
			write(f, sector("A")+sector("B"), 0)
			ok(errors.Join(f.Sync(), fs.SyncDir("/"), fs.SyncDir("/d")))
			l := fs.Record()
			c.run(fs, f)
			for power, want := range map[bool][]string{true: c.power, false: c.kill} {
				slices.Sort(want)
				if got := states(l, power, c.names...); !slices.Equal(got, want) {
					t.Errorf("power=%v:\n got %q\nwant %q", power, short(got), short(want))
				}
			}
		})
	}
}

// short makes sectors readable.
func short(list []string) (res []string) {
	for _, s := range list {
		for _, c := range []string{"A", "B", "C", "x", "y", "\x00"} {
			s = strings.ReplaceAll(s, strings.Repeat(c, 512), c)
		}
		res = append(res, s)
	}
	return res
}

// TestForget: what a failed sync has lost is seen until it is forgotten.
func TestForget(t *testing.T) {
	fs := crashfs.New(1, "/")
	f := create(fs, "/f")
	must(f.WriteAt(bytes.Repeat([]byte("a"), 64<<10), 0))
	ok(f.Sync())
	must(f.WriteAt(bytes.Repeat([]byte("b"), 64<<10), 0))
	fs.SetFault(func(op, _ string) error { return map[string]error{"sync": syscall.EIO}[op] })
	if err := f.Sync(); !errors.Is(err, syscall.EIO) {
		t.Fatal(err)
	}
	if got := content(fs, "/f"); strings.Contains(got, "a") {
		t.Error("lost content is not seen")
	}
	f.Forget()
	if got := content(fs, "/f"); !strings.Contains(got, "a") || !strings.Contains(got, "b") {
		t.Error("nothing was lost, or all")
	}
}

func TestFaults(t *testing.T) {
	fs := crashfs.New(1, "/")
	f := create(fs, "/f")
	fs.SetFault(func(string, string) error { return &crashfs.ShortWrite{Err: syscall.ENOSPC} })
	if n, err := f.WriteAt(make([]byte, 100), 0); n != 50 || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("short write: %d, %v", n, err)
	}
	fs.SetFault(nil)
	fs.SetCapacity(8192)
	if n, err := f.WriteAt(make([]byte, 10000), 100); n != 8092 || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("full disk: %d, %v", n, err)
	}
	fs.Kill()
	if _, err := f.WriteAt(make([]byte, 1), 0); err == nil {
		t.Error("a dead process writes")
	}
	if fs.Allocated() != 8192 || fs.IsHole("/f", 0) || !fs.IsHole("/f", 8192) {
		t.Error("allocation is wrong")
	}
	ok(fs.Remove("/f"))
	if fs.Allocated() != 0 {
		t.Error("a removed file occupies space")
	}
}
