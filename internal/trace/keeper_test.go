package trace

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func newKeeper(t *testing.T) *Keeper {
	t.Helper()
	k, err := Open(filepath.Join(t.TempDir(), "traces"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func of(machine, layer string) Trace {
	return Trace{Image: "debian:12", Layer: layer, Machine: machine, Size: 4 << 30}
}

// within runs f with a keeper in a bubble whose clock jumps.
func within(t *testing.T, f func(t *testing.T, k *Keeper)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		k := newKeeper(t)
		f(t, k)
		if err := k.Close(); err != nil {
			t.Error(err)
		}
	})
}

func (k *Keeper) want(t *testing.T, layer, machine string, reads ...Read) *Trace {
	t.Helper()
	x, err := k.Load(layer)
	if machine == "" {
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %+v, %v, want none", layer, x, err)
		}
		return nil
	}
	if err != nil || x.Machine != machine || reads != nil && !slices.Equal(x.Reads, reads) {
		t.Errorf("%s: %+v, %v", layer, x, err)
	}
	return x
}

// A boot is kept when it has run for a while, with what it read until then.
func TestRecorded(t *testing.T) {
	within(t, func(t *testing.T, k *Keeper) {
		r := k.Begin("b1", of("pc01", "l-1"))
		time.Sleep(time.Minute) // iPXE waits for something
		k.Mark("b1", "too early")
		r.Read(0, 512)
		time.Sleep(time.Second)
		k.Mark("b1", "logs in")
		k.Mark("b1", "logs in")
		k.DiskClosed("b1") // iPXE's, and opened again
		if again := k.Begin("b1", of("pc01", "l-1")); again != r {
			t.Error("another recording of the same boot")
		}
		time.Sleep(time.Second)
		k.Runs("b1")
		time.Sleep(after - time.Second)
		k.want(t, "l-1", "")
		if !r.Read(4096, 1<<20) {
			t.Error("it ended early")
		}
		time.Sleep(calm - time.Second)
		k.want(t, "l-1", "")
		time.Sleep(2 * time.Second)
		if r.Read(0, 512) {
			t.Error("it goes on")
		}
		x := k.want(t, "l-1", "pc01", Read{Length: 512}, Read{At: 31 * time.Second, Offset: 4096, Length: 1 << 20})
		if want := []Mark{{time.Second, "logs in"}, {2 * time.Second, "runs"}}; !slices.Equal(x.Marks, want) || x.Cut {
			t.Errorf("%+v", x)
		}
		k.Runs("b1")
		k.DiskClosed("b1")
	})
}

// A system that reads all the time is not recorded for ever.
func TestReadsOn(t *testing.T) {
	within(t, func(t *testing.T, k *Keeper) {
		r := k.Begin("b1", of("pc01", "l-1"))
		r.Read(0, 512)
		k.Runs("b1")
		began := time.Now()
		for r.Read(0, 512) {
			time.Sleep(time.Second)
		}
		synctest.Wait() // until it is kept
		if d := time.Since(began); d < late || d > late+time.Second {
			t.Errorf("recorded for %s, want %s", d, late)
		}
		if x, err := k.Load("l-1"); err != nil || x.Cut {
			t.Errorf("%+v, %v", x, err)
		}
	})
}

// Boots that did not run leave nothing, and those that were switched off soon
// after it leave what there is.
func TestEndedEarly(t *testing.T) {
	within(t, func(t *testing.T, k *Keeper) {
		k.Begin("b1", of("pc01", "l-1")).Read(0, 512)
		k.DiskClosed("b1")
		time.Sleep(maxTime + time.Second)
		k.want(t, "l-1", "")
		k.Begin("b2", of("pc01", "l-1")).Read(0, 1024)
		k.Runs("b2")
		k.DiskClosed("b2")
		k.want(t, "l-1", "pc01", Read{Length: 1024})
		k.Begin("b3", of("pc02", "l-1")).Read(0, 2048)
		k.Runs("b3") // the server ends
	})
}

func TestClose(t *testing.T) {
	within(t, func(t *testing.T, k *Keeper) {
		k.Begin("b1", of("pc01", "l-1")).Read(0, 512)
		k.Begin("b2", of("pc02", "l-2")).Read(0, 512)
		k.Runs("b2")
		if err := k.Close(); err != nil {
			t.Error(err)
		}
		k.want(t, "l-1", "")
		k.want(t, "l-2", "pc02")
		if k.Begin("b3", of("pc03", "l-3")) != nil {
			t.Error("it records")
		}
	})
}

// Of machines that boot an image at once, the first is recorded; one that
// begins anew, or whose disk nobody reads, makes room.
func TestOneOfMany(t *testing.T) {
	within(t, func(t *testing.T, k *Keeper) {
		first := k.Begin("b1", of("pc01", "l-1"))
		if k.Begin("b2", of("pc02", "l-1")) != nil {
			t.Error("two at once")
		}
		if k.Begin("b3", of("pc02", "l-2")) == nil {
			t.Error("another image is not recorded")
		}
		anew := k.Begin("b4", of("pc01", "l-1"))
		if anew == nil || anew == first || first.Read(0, 512) {
			t.Error("the machine began anew")
		}
		k.DiskClosed("b4")
		if k.Begin("b5", of("pc02", "l-1")) == nil || anew.Read(0, 512) {
			t.Error("nobody reads the disk")
		}
		for i := range 2 * maxRecordings {
			k.Begin(fmt.Sprint("c", i), of(fmt.Sprint("pc", i), fmt.Sprint("m-", i)))
		}
		if len(k.layers) != maxRecordings || len(k.boots) != maxRecordings {
			t.Errorf("%d and %d recordings", len(k.layers), len(k.boots))
		}
	})
}

// What does not fit is kept as long as there is nothing better.
func TestCut(t *testing.T) {
	within(t, func(t *testing.T, k *Keeper) {
		fill := func(boot string) {
			r := k.Begin(boot, of(boot, "l-1"))
			for range maxReads {
				if !r.Read(0, 512) {
					t.Fatal("it is full")
				}
			}
			if r.Read(0, 512) {
				t.Fatal("it has no bound")
			}
			synctest.Wait()
		}
		fill("b1")
		if x := k.want(t, "l-1", "b1"); !x.Cut || len(x.Reads) != maxReads || !strings.HasSuffix(Sentence(x), "; cut off there") {
			t.Errorf("%s", Sentence(x))
		}
		k.Begin("b2", of("b2", "l-1")).Read(0, 512)
		k.Runs("b2")
		k.DiskClosed("b2")
		k.want(t, "l-1", "b2")
		fill("b3")
		k.want(t, "l-1", "b2")

		r := k.Begin("b4", of("b4", "l-4"))
		r.Read(0, 512)
		time.Sleep(maxTime - time.Second)
		k.Runs("b4") // later than the recording may be long
		time.Sleep(2 * time.Second)
		r.Read(0, 512)
		synctest.Wait()
		if x := k.want(t, "l-4", "b4", Read{Length: 512}); x.Cut {
			t.Error("it ran")
		}
	})
}

func TestSweep(t *testing.T) {
	k := newKeeper(t)
	for _, layer := range []string{"l-1", "l-2"} {
		if err := k.save(&Trace{Layer: layer}); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(k.path("l-1")+".new", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := k.Sweep(func(layer string) bool { return layer == "l-1" }); err != nil {
		t.Error(err)
	}
	left, err := os.ReadDir(k.dir)
	if err != nil || len(left) != 1 || left[0].Name() != "l-1.trace" {
		t.Errorf("%v, %v", left, err)
	}
}

func TestKeeperErrors(t *testing.T) {
	k := newKeeper(t)
	if err := os.WriteFile(k.path("l-1"), []byte("torn"), 0o600); err != nil {
		t.Fatal(err)
	}
	want := `read boot trace "` + k.path("l-1") + `": no boot trace: it does not begin with "BootesT1"`
	if _, err := k.Load("l-1"); !errors.Is(err, ErrFormat) || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	if err := os.RemoveAll(k.dir); err != nil {
		t.Fatal(err)
	}
	for want, err := range map[string]error{
		"write boot trace: open ":           k.save(&Trace{Layer: "l-1"}),
		"read folder of boot traces: open ": k.Sweep(func(string) bool { return true }),
	} {
		if !errors.Is(err, fs.ErrNotExist) || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(file, nil); err == nil || !strings.HasPrefix(err.Error(), "make folder of boot traces: ") {
		t.Error(err)
	}
}

// Recording costs next to nothing.
func BenchmarkRead(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		r := &Recording{timer: time.NewTimer(time.Hour)}
		b.StartTimer()
		for i := range int64(1000) {
			r.Read(i*4096, 4096)
		}
	}
}
