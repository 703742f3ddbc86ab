package guestfs

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"bootes.dev/internal/needs"
)

// mountLoop mounts img by the kernel, which not every host lets us do.
func mountLoop(t *testing.T, img, options string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if out, err := exec.Command("mount", "-o", "loop"+options, img, dir).CombinedOutput(); err != nil {
		needs.Skip(t, "needs root and a loop device: %v: %s", err, out)
	}
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	return dir
}

// TestExtAsKernel: what Linux itself writes is read, from a file system in use
// and after it. mke2fs makes no unwritten extents, index of several levels,
// files in a thousand pieces, or traces of what was removed.
func TestExtAsKernel(t *testing.T) {
	for _, args := range [][]string{{"-t", "ext4", "-b", "4096"}, {"-t", "ext4", "-b", "1024"}, {"-t", "ext3", "-b", "1024"}} {
		t.Run(strings.Join(args, ""), func(t *testing.T) {
			img := mke2fs(t, t.TempDir(), "200M", append(args, "-N", "10000")...)
			dir := mountLoop(t, img, "")
			busy(t, dir)
			want := hostTree(t, dir)
			used := load(t, img)
			if err := unix.Unmount(dir, 0); err != nil {
				t.Fatal(err)
			}
			for name, s := range map[string]strict{"in use": used, "unmounted": load(t, img)} {
				l, err := s.list("")
				if err != nil || l.Unclean != (name == "in use") {
					t.Errorf("%s: %+v, %v", name, l.Place, err)
				}
				compare(t, kernelTree(t, s), want)
			}
		})
	}
}

// kernelTree is ourTree, but for the thousands of empty files.
func kernelTree(t *testing.T, s strict) tree {
	got := ourTree(t, s, "/files")
	all := tree{"files": "drwxr-xr-x folder"}
	for name, what := range got {
		all["files/"+name] = what
	}
	for _, dir := range []string{"", "huge"} {
		l, err := s.list(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range l.Entries {
			if name := filepath.Join(dir, i.Name); name != "files" {
				all[name] = fmt.Sprint(i.Mode, map[Type]string{Dir: " folder", File: " " + sum(nil)}[i.Type])
			}
		}
	}
	return all
}

// busy does what guests do for years.
func busy(t *testing.T, dir string) {
	t.Helper()
	fatal := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	name := func(i int) string {
		return filepath.Join(dir, fmt.Sprintf("huge/%d-%s", i, strings.Repeat("y", i%200)))
	}
	fatal(os.MkdirAll(filepath.Join(dir, "huge"), 0o755))
	fatal(os.MkdirAll(filepath.Join(dir, "files"), 0o755))
	for i := range 6000 {
		fd, err := unix.Open(name(i), unix.O_CREAT|unix.O_EXCL, 0o644)
		fatal(err)
		unix.Close(fd)
	}
	for i := 0; i < 6000; i += 7 {
		fatal(os.Remove(name(i)))
	}
	var files [4]*os.File
	for i := range files {
		f, err := os.Create(filepath.Join(dir, "files", fmt.Sprint("grown", i)))
		fatal(err)
		defer f.Close()
		files[i] = f
	}
	for k := range 400 { // one after the other: in pieces
		for i, f := range files {
			_, err := f.Write(noise(4096, byte(k+i)))
			fatal(err)
			if k%10 == 0 {
				fatal(unix.Fdatasync(int(f.Fd())))
			}
		}
	}
	holes, err := os.Create(filepath.Join(dir, "files/holes"))
	fatal(err)
	defer holes.Close()
	for _, k := range rand.New(rand.NewPCG(1, 2)).Perm(6000)[:1000] {
		_, err := holes.WriteAt(noise(5000, byte(k)), int64(k)*8192)
		fatal(err)
	}
	reserved, err := os.Create(filepath.Join(dir, "files/reserved"))
	fatal(err)
	defer reserved.Close()
	if err := unix.Fallocate(int(reserved.Fd()), 0, 0, 5<<20); err == nil { // not on ext3
		fatal(unix.Fallocate(int(reserved.Fd()), unix.FALLOC_FL_KEEP_SIZE, 0, 8<<20))
		fatal(unix.Fallocate(int(reserved.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, 3<<20, 1<<20))
	}
	_, err = reserved.WriteAt([]byte("middle"), 2<<20)
	fatal(err)
	fatal(unix.Mknod(filepath.Join(dir, "files/null"), unix.S_IFCHR|0o666, 1<<8|3))
	fatal(os.Symlink(strings.Repeat("x", 900), filepath.Join(dir, "files/link")))
	fatal(unix.Lsetxattr(filepath.Join(dir, "files/link"), "trusted.x", []byte(strings.Repeat("v", 500)), 0))
	d, err := os.Open(dir)
	fatal(err)
	defer d.Close()
	fatal(unix.Syncfs(int(d.Fd())))
}
