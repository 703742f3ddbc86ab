package cow_test

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"bootes.dev/internal/cow"
)

const (
	killDir    = "BOOTES_COW_KILL_DIR"
	killSector = 512
	killDisk   = 64 << 20
	killSlots  = 1 << 14       // each written by one worker only:
	killParts  = killSlots / 2 // slots of one sector first, then whole blocks
)

var killOptions = cow.Options{JournalSize: 64 << 10}

func TestMain(m *testing.M) {
	if dir := os.Getenv(killDir); dir != "" {
		writeUntilKilled(dir)
	}
	os.Exit(m.Run())
}

// slotPlace spreads the slots over the disk.
func slotPlace(slot uint32) (off, n int64) {
	if slot >= killParts {
		return int64(slot-killParts)*4096 + killParts*killSector, 4096
	}
	return int64(slot) * killSector, killSector
}

// writeUntilKilled is the child: it writes stamped sectors and reports each on
// stdout once it is acknowledged. Stamp 0 is an Unmap.
func writeUntilKilled(dir string) {
	e := must(cow.Open(dir, killOptions))
	v := must(e.OpenVolume("v"))
	for w := range uint32(4) {
		go func() {
			rng := rand.New(rand.NewPCG(uint64(w), uint64(time.Now().UnixNano())))
			var buf [4096]byte
			for {
				slot := rng.Uint32N(killSlots/4)*4 + w
				stamp := rng.Uint32N(8) * (rng.Uint32() | 1)
				report(slot|1<<31, stamp) // what may be there
				off, n := slotPlace(slot)
				var err error
				if stamp == 0 {
					err = v.Unmap(off, n)
				} else {
					fillStamp(buf[:n], stamp)
					_, err = v.WriteAt(buf[:n], off)
				}
				if err == nil && rng.IntN(200) == 0 {
					err = v.Flush()
				}
				if err != nil {
					fmt.Fprintln(os.Stderr, err)
					os.Exit(3)
				}
				report(slot, stamp)
			}
		}()
	}
	select {}
}

// report writes to the pipe at once: what is not in it may not have happened.
func report(slot, stamp uint32) {
	var b [8]byte
	binary.LittleEndian.PutUint32(b[:], slot)
	binary.LittleEndian.PutUint32(b[4:], stamp)
	if _, err := os.Stdout.Write(b[:]); err != nil {
		os.Exit(4)
	}
}

func fillStamp(p []byte, stamp uint32) {
	for i := 0; i < len(p); i += 4 {
		binary.LittleEndian.PutUint32(p[i:], stamp)
	}
}

// TestKilledProcessLosesNothing kills a process that writes, without a sync,
// and demands every acknowledged write from those who open after it.
func TestKilledProcessLosesNothing(t *testing.T) {
	for _, volatile := range []bool{false, true} {
		t.Run(fmt.Sprintf("volatile=%v", volatile), func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "data")
			e := must(cow.Open(dir, killOptions))
			base := newLayer(t, e, "", killDisk/2, func(b *cow.LayerBuilder) {
				p := make([]byte, 1<<20)
				for off := int64(0); off < killDisk/2; off += 4 << 20 {
					fillStamp(p, uint32(off)|1)
					must(b.WriteAt(p, off))
				}
			})
			must(e.CreateVolume(cow.VolumeSpec{ID: "v", Base: base.ID, Size: killDisk, Volatile: volatile}))
			v := openVolume(t, e, "v")
			want := make(map[uint32]uint32)
			for slot := range uint32(killSlots) {
				want[slot] = readSlot(t, v, slot)
			}
			if err := e.Close(); err != nil {
				t.Fatal(err)
			}
			for round := range 4 {
				acked, maybe := runAndKill(t, dir, time.Duration(50+round*80)*time.Millisecond)
				for slot, stamp := range acked {
					want[slot] = stamp
				}
				verifyKilled(t, dir, want, maybe)
				if len(acked) == 0 {
					t.Fatal("the child acknowledged nothing: the test shows nothing")
				}
			}
			e = open(t, dir, killOptions)
			if err := e.VerifyLayer(t.Context(), base.ID, nil); err != nil {
				t.Error(err)
			}
		})
	}
}

// runAndKill returns the last acknowledged stamp of each slot, and the stamps
// that were under way.
func runAndKill(t *testing.T, dir string, after time.Duration) (acked, maybe map[uint32]uint32) {
	t.Helper()
	c := exec.Command(os.Args[0], "-test.run=^$")
	c.Env = append(os.Environ(), killDir+"="+dir)
	var stderr strings.Builder
	c.Stderr = &stderr
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	acked, maybe = map[uint32]uint32{}, map[uint32]uint32{}
	var once sync.Once
	r := bufio.NewReader(out)
	for {
		var b [8]byte
		if _, err := io.ReadFull(r, b[:]); err != nil {
			break
		}
		slot, stamp := binary.LittleEndian.Uint32(b[:]), binary.LittleEndian.Uint32(b[4:])
		if slot>>31 != 0 {
			maybe[slot&^(1<<31)] = stamp
			continue
		}
		once.Do(func() { time.AfterFunc(after, func() { _ = c.Process.Kill() }) })
		acked[slot] = stamp
		delete(maybe, slot)
	}
	var exit *exec.ExitError
	if err := c.Wait(); !errors.As(err, &exit) || exit.ExitCode() != -1 {
		t.Fatalf("child ended by itself: %v: %s", err, stderr.String())
	}
	return acked, maybe
}

func verifyKilled(t *testing.T, dir string, want, maybe map[uint32]uint32) {
	t.Helper()
	e := must(cow.Open(dir, killOptions))
	defer e.Close()
	v := openVolume(t, e, "v")
	for slot, stamp := range want {
		got := readSlot(t, v, slot)
		if other, ok := maybe[slot]; ok && got == other {
			want[slot] = got
			continue
		}
		if got != stamp {
			t.Fatalf("slot %d holds %#x, acknowledged was %#x", slot, got, stamp)
		}
	}
}

func readSlot(t *testing.T, v *cow.Volume, slot uint32) uint32 {
	t.Helper()
	off, n := slotPlace(slot)
	var buf [4096]byte
	p := buf[:n]
	must(v.ReadAt(p, off))
	got := binary.LittleEndian.Uint32(p)
	for i := 0; i < len(p); i += 4 {
		if i%killSector != 0 && binary.LittleEndian.Uint32(p[i:]) != binary.LittleEndian.Uint32(p[i/killSector*killSector:]) {
			t.Fatalf("slot %d is torn", slot)
		}
	}
	return got
}
