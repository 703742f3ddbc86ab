package guestfs

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
)

// images are small file systems with all shapes of metadata and no checksums,
// which would keep changes from being looked at:
//
//	mke2fs -t ext4 -O ^has_journal,^metadata_csum,^resize_inode -b 1024 -N 128
//	mke2fs -t ext2 -O ^resize_inode -b 1024 -N 128
//	mformat -T 512 -h 2 -s 16 -c 1 -d 1 -r 2
//	mformat -F -T 80000 -h 16 -s 32 -c 1 -d 1
var images = []string{"ext4", "ext2", "fat12", "fat32"}

func image(t testing.TB, name string) []byte {
	t.Helper()
	f, err := os.Open("testdata/" + name + ".img.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// counted is a disk that counts.
type counted struct {
	*bytes.Reader
	reads int
}

func (c *counted) ReadAt(p []byte, off int64) (int, error) {
	c.reads++
	return c.Reader.ReadAt(p, off)
}

// explore reads what there is of a file system, up to a bound, and returns how
// many files there were. Nothing may panic, or read without end.
func explore(t testing.TB, b []byte) (files int) {
	t.Helper()
	dev := &counted{Reader: bytes.NewReader(b)}
	p := piece{&disk{t.Context(), dev, int64(len(b))}, 0, int64(len(b))}
	sys, err := openExt(p)
	if errors.Is(err, errNone) {
		sys, err = openFAT(p)
	}
	if err != nil {
		return 0
	}
	check := func(what string) {
		t.Helper()
		if dev.reads > 200000 {
			t.Fatalf("%s needed %d reads", what, dev.reads)
		}
		dev.reads = 0
	}
	todo := []string{""}
	for seen := 0; len(todo) > 0 && seen < 200; todo, seen = todo[1:], seen+1 { // a folder may be in itself
		n, err := walk(sys, todo[0])
		check("to walk")
		if err != nil {
			continue
		}
		if n.info().Type == Dir {
			all, _ := entries(n)
			check("a folder")
			for _, i := range all {
				if i.Name == "" || bytes.ContainsAny([]byte(i.Name), "/\x00") {
					t.Fatalf("a name %q", i.Name)
				}
				todo = append(todo, todo[0]+"/"+i.Name)
			}
			continue
		}
		files++
		if n.info().Type != File {
			continue
		}
		size := n.info().Size
		if size < 0 {
			t.Fatalf("%d bytes", size)
		}
		buf := make([]byte, min(size, 128<<10))
		if n.read(buf, 0) == nil && size < 16<<20 {
			n.read(buf, size-int64(len(buf)))
		}
		check("a file")
	}
	return files
}

// change puts bytes elsewhere: places of three bytes, each with a new byte.
func change(b, changes []byte) []byte {
	b = bytes.Clone(b)
	for ; len(changes) >= 4; changes = changes[4:] {
		at := int(binary.LittleEndian.Uint32(changes) & 0xffffff)
		b[at%len(b)] = changes[3]
	}
	return b
}

func TestImagesWhole(t *testing.T) {
	for name, want := range map[string]int{"ext4": 66, "ext2": 66, "fat12": 41, "fat32": 42} {
		b := image(t, name)
		if got := explore(t, b); got != want {
			t.Errorf("%s: %d files, want %d", name, got, want)
		}
	}
}

// TestHostile changes bytes where they matter most, near others that are not
// zero. More by BOOTES_GUESTFS_SEEDS.
func TestHostile(t *testing.T) {
	seeds := 300
	if s := os.Getenv("BOOTES_GUESTFS_SEEDS"); s != "" {
		seeds, _ = strconv.Atoi(s)
	}
	for _, name := range images {
		whole := image(t, name)
		var used []int
		for i, c := range whole {
			if c != 0 {
				used = append(used, i)
			}
		}
		for seed := range seeds {
			rnd := rand.New(rand.NewPCG(uint64(seed), 1))
			b := bytes.Clone(whole)
			for range 1 + rnd.IntN(6) {
				at := (used[rnd.IntN(len(used))] + rnd.IntN(9) - 4 + len(b)) % len(b)
				b[at] = []byte{0, 1, 2, 0x7f, 0x80, 0xff, byte(rnd.Uint32()), b[at] ^ 1<<rnd.IntN(8)}[rnd.IntN(8)]
			}
			explore(t, b)
		}
	}
}

// TestSelfReference: trees and folders that lead to themselves.
func TestSelfReference(t *testing.T) {
	b := image(t, "ext4")
	p := piece{&disk{t.Context(), bytes.NewReader(b), int64(len(b))}, 0, int64(len(b))}
	sys, err := openExt(p)
	if err != nil {
		t.Fatal(err)
	}
	n, err := walk(sys, "/comb")
	if err != nil {
		t.Fatal(err)
	}
	comb := n.(*extNode)
	child := binary.LittleEndian.Uint32(comb.blocks[extentSize+4:])
	leaf := b[uint64(child)*1024:][:1024]
	for depth := uint16(1); depth < 8; depth++ {
		binary.LittleEndian.PutUint16(comb.blocks[6:], depth)
		binary.LittleEndian.PutUint16(leaf[6:], depth) // its own child, for ever
		binary.LittleEndian.PutUint32(leaf[extentSize+4:], child)
		comb.cache = extCache{}
		if err := comb.read(make([]byte, 4096), 0); !errors.Is(err, ErrCorrupt) {
			t.Errorf("depth %d: %v", depth, err)
		}
	}
}

// TestVastFolder: a folder of any size ends.
func TestVastFolder(t *testing.T) {
	b := image(t, "ext4")
	p := piece{&disk{t.Context(), bytes.NewReader(b), int64(len(b))}, 0, int64(len(b))}
	sys, err := openExt(p)
	if err != nil {
		t.Fatal(err)
	}
	n, err := walk(sys, "/hole")
	if err != nil {
		t.Fatal(err)
	}
	dir := n.(*extNode)
	for size, want := range map[uint64]error{1 << 40: ErrUnsupported, maxDirBytes: fs.ErrNotExist} {
		dir.size = size
		if _, err := dir.lookup("x"); !errors.Is(err, want) {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
}

func FuzzFileSystem(f *testing.F) {
	var all [][]byte
	for i, name := range images {
		all = append(all, image(f, name))
		f.Add(uint8(i), []byte{0x38, 4, 0, 0x53})
	}
	f.Fuzz(func(t *testing.T, which uint8, changes []byte) {
		explore(t, change(all[int(which)%len(all)], changes))
	})
}
