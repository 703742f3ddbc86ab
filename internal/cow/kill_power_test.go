package cow_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"bootes.dev/internal/cow"
	"bootes.dev/internal/cow/crashfs"
)

// TestKillThenPowerCut ends the process after each step of each operation, has
// another one go on from there, and then cuts the power: what the second one
// acknowledged is there, and so is all that it stood on.
func TestKillThenPowerCut(t *testing.T) {
	for _, w := range windows {
		t.Run(w.name, func(t *testing.T) {
			for cut := 0; w.killThenCut(t, cut); cut += every {
			}
		})
	}
}

func (w window) killThenCut(t *testing.T, cut int) bool {
	fs := crashfs.New(rand.Uint64(), "/")
	e, v := makeWindow(t, fs)
	if w.isOpen {
		put(t, v, 8192, 4096, 55) // not flushed: the kernel has it
	} else {
		ok(t, v.Close())
	}
	reached := faulty(fs, cut, func(string) error { return os.ErrProcessDone })
	_ = w.op(e, v)
	fs.Kill()
	_ = e.Close()
	fs.SetFault(nil)

	e = must(cow.Open("/d", windowOptions(fs, 1)))
	if len(e.Volumes()) == 0 { // its removal was done
		ok(t, e.Close())
		return *reached
	}
	v = must(e.OpenVolume("v"))
	put(t, v, 4096, 4096, 77)
	ok(t, v.Flush(), e.Settle(t.Context()))
	want := content(t, v)
	fs.PowerCut()
	_ = e.Close()

	e = must(cow.Open("/d", windowOptions(fs, 2)))
	defer e.Close()
	v, err := e.OpenVolume("v")
	if err != nil {
		t.Fatalf("cut %d: %v", cut, err)
	}
	if got := look(t, e, v); !bytes.Equal(got.volume, want) {
		t.Errorf("cut %d: a flushed write is lost", cut)
	}
	onlyNeeded(t, fmt.Sprintf("cut %d", cut), e, fs)
	return *reached && !t.Failed()
}

// TestSealKilledBeforeItsLastSync kills a process whose final checkpoint, of a
// volume that was written to at the same time, is in the page cache only. The
// next one builds on that checkpoint; a power cut must find it there.
func TestSealKilledBeforeItsLastSync(t *testing.T) {
	fs := crashfs.New(1, "/")
	e := must(cow.Open("/d", windowOptions(fs, 1)))
	v := newVolume(t, e, cow.VolumeSpec{Size: 1 << 20})
	put(t, v, 0, 4096, 1)
	ok(t, v.Flush())
	written := sealWhileWriting(t, fs, e, v)

	log := fs.Record()
	e = must(cow.Open("/d", windowOptions(fs, 1)))
	v = must(e.OpenVolume("v"))
	has := func(v *cow.Volume) {
		for i := range written {
			wants(t, v, 512<<10+i*4096, 4096, 2)
		}
	}
	has(v)
	ok(t, v.Flush())
	flushed := log.Len()
	put(t, v, 900<<10, 4096, 3)
	fs.Kill()
	_ = e.Close()

	log.Crashes(crashfs.Bounds{Random: 4}, func(c crashfs.Crash) bool {
		e := must(cow.Open("/d", windowOptions(c.FS(), 2)))
		defer e.Close()
		v, err := e.OpenVolume("v")
		if err != nil {
			t.Fatalf("%v: %v", c, err)
		}
		wants(t, v, 0, 4096, 1)
		if c.At >= flushed {
			has(v)
		}
		if t.Failed() {
			t.Fatal(c)
		}
		return true
	})
}

// sealWhileWriting has a write come between the first and the last checkpoint
// of a snapshot, and the process die before the sync of the last.
func sealWhileWriting(t *testing.T, fs *crashfs.FS, e *cow.Engine, v *cow.Volume) (written int64) {
	t.Helper()
	syncs := -1
	fs.SetSyncTime(20 * time.Millisecond)
	fs.SetFault(func(op, name string) error {
		switch {
		case syncs < 0 && op == "open" && strings.HasSuffix(name, "/meta"):
			syncs = 0
		case syncs >= 0 && op == "sync" && strings.HasSuffix(name, "/map"):
			syncs++
		}
		if syncs < 2 {
			return nil
		}
		return os.ErrProcessDone
	})
	writer := make(chan int64)
	go func() {
		p := make([]byte, 4096)
		fillStamp(p, 2)
		for n := int64(0); ; n++ {
			if _, err := v.WriteAt(p, 512<<10+n%64*4096); err != nil {
				writer <- min(n, 64)
				return
			}
			time.Sleep(5 * time.Millisecond)
		}
	}()
	if _, err := e.Snapshot("v", "new"); err == nil {
		t.Fatal("the snapshot outlived the process")
	}
	fs.Kill()
	_ = e.Close()
	fs.SetFault(nil)
	fs.SetSyncTime(0)
	return <-writer
}
