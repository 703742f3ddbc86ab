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
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"bootes.dev/internal/cow"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(killDir); dir != "" {
		liveUntilKilled(dir)
	}
	os.Exit(m.Run())
}

// kills is how many processes die: BOOTES_COW_KILLS asks for more.
func kills() int {
	n, err := strconv.Atoi(os.Getenv("BOOTES_COW_KILLS"))
	switch {
	case err == nil:
		return n
	case testing.Short():
		return 5
	}
	return 50
}

// TestKilledProcessLosesNothing kills processes that write, on a real file
// system, and demands every acknowledged write and snapshot from those who
// open after them.
func TestKilledProcessLosesNothing(t *testing.T) {
	for _, c := range []struct {
		volatile bool
		rounds   int
	}{{false, kills() * 4 / 5}, {true, kills() / 5}} {
		t.Run(fmt.Sprintf("volatile=%v", c.volatile), func(t *testing.T) {
			t.Parallel()
			s := newSurvivor(t, c.volatile)
			for round := range c.rounds {
				s.runAndKill(time.Duration(20+s.rng.IntN(120)) * time.Millisecond)
				s.verify()
				if s.acked == 0 {
					t.Fatal("the process acknowledged nothing: the test shows nothing")
				}
				if t.Failed() {
					t.Fatalf("in round %d", round)
				}
			}
			t.Logf("%d writes and %d changes of structure acknowledged", s.acked, s.changes)
			e := open(t, s.dir, killOptions)
			for _, l := range e.Layers() {
				if l.Kept {
					ok(t, e.VerifyLayer(t.Context(), l.ID, nil))
				}
			}
		})
	}
}

// survivor knows what the killed must have left.
type survivor struct {
	t   *testing.T
	rng *rand.Rand
	dir string

	slots [][]uint32        // as acknowledged, or one of these
	begun map[uint32]uint32 // under way, by slot
	snaps map[uint32]*witnessed
	// Under way, or done: a snapshot made, one removed, a rollback; 0 is none.
	making, removing, rolling uint32
	acked, changes            int
}

// witnessed is a snapshot: for each slot what it may hold, as far as is known.
type witnessed struct{ may [][]uint32 }

func newSurvivor(t *testing.T, volatile bool) *survivor {
	s := &survivor{
		t: t, rng: rand.New(rand.NewPCG(1, 61)), dir: filepath.Join(t.TempDir(), "data"),
		slots: make([][]uint32, killSlots), begun: map[uint32]uint32{}, snaps: map[uint32]*witnessed{},
	}
	e := must(cow.Open(s.dir, killOptions))
	base := newLayer(t, e, "", killDisk/2, func(b *cow.LayerBuilder) {
		p := make([]byte, 1<<20)
		for off := int64(0); off < killDisk/2; off += 4 << 20 {
			fillStamp(p, uint32(off)|1)
			must(b.WriteAt(p, off))
		}
	})
	v := newVolume(t, e, cow.VolumeSpec{ID: "v", Base: base.ID, Size: killDisk, Volatile: volatile})
	for slot := range s.slots {
		s.slots[slot] = readSlot(t, v, uint32(slot))[:1]
	}
	ok(t, e.Close())
	return s
}

// runAndKill takes the reports of a process and kills it some time after its
// first write.
func (s *survivor) runAndKill(after time.Duration) {
	c := exec.Command(os.Args[0], "-test.run=^$")
	c.Env = append(os.Environ(), killDir+"="+s.dir)
	var stderr strings.Builder
	c.Stderr = &stderr
	out := must(c.StdoutPipe())
	ok(s.t, c.Start())
	var timer *time.Timer
	r := bufio.NewReader(out)
	for {
		var b [8]byte
		if _, err := io.ReadFull(r, b[:]); err != nil {
			break
		}
		s.take(binary.LittleEndian.Uint32(b[:]), binary.LittleEndian.Uint32(b[4:]))
		if timer == nil && s.acked > 0 {
			timer = time.AfterFunc(after, func() { _ = c.Process.Kill() })
		}
	}
	var exit *exec.ExitError
	if err := c.Wait(); !errors.As(err, &exit) || exit.ExitCode() != -1 {
		s.t.Fatalf("process ended by itself: %v: %s", err, stderr.String())
	}
}

// take notes one report.
func (s *survivor) take(subject, number uint32) {
	begins, subject := subject >= reportBegins, subject&^reportBegins
	switch {
	case subject < killSlots && begins:
		s.begun[subject] = number
		if s.making != 0 {
			w := s.snaps[s.making]
			w.may[subject] = append(w.may[subject], number)
		}
		return
	case subject < killSlots:
		s.slots[subject] = []uint32{number}
		delete(s.begun, subject)
		s.acked++
		return
	case begins && subject == reportSnapshot:
		s.making, s.snaps[number] = number, s.maybe()
	case begins && subject == reportRemoval:
		s.removing = number
	case begins:
		s.rolling = number
	case subject == reportSnapshot:
		s.making = 0
	case subject == reportRemoval:
		delete(s.snaps, number)
		s.removing = 0
	case subject == reportRollback:
		copy(s.slots, s.snaps[number].may)
		s.rolling = 0
	}
	if !begins {
		s.changes++
	}
}

// maybe is what each slot may hold now.
func (s *survivor) maybe() *witnessed {
	w := &witnessed{make([][]uint32, killSlots)}
	for slot, may := range s.slots {
		w.may[slot] = slices.Clone(may)
		if other, under := s.begun[uint32(slot)]; under {
			w.may[slot] = append(w.may[slot], other)
		}
	}
	return w
}

// verify opens what was left, and takes it for true from now on.
func (s *survivor) verify() {
	s.t.Helper()
	e := must(cow.Open(s.dir, killOptions))
	defer e.Close()
	s.verifySnapshots(e)
	v := openVolume(s.t, e, "v")
	w := s.maybe()
	err := s.settle(v, w)
	if err != nil && s.rolling != 0 {
		w = &witnessed{slices.Clone(s.snaps[s.rolling].may)}
		err = s.settle(v, w)
	}
	ok(s.t, err)
	copy(s.slots, w.may)
	clear(s.begun)
	s.making, s.removing, s.rolling = 0, 0, 0
	if must(e.Volume("v")).Depth > 200 { // none of them lives long enough to do it
		ok(s.t, e.FlattenVolume(s.t.Context(), "v", nil))
	}
}

// verifySnapshots looks at those that are new, and at one that is not.
func (s *survivor) verifySnapshots(e *cow.Engine) {
	s.t.Helper()
	found := map[uint32]bool{}
	for _, info := range must(e.Volume("v")).Snapshots {
		n := snapshotNumber(info.Name)
		found[n] = true
		w := s.snaps[n]
		if w == nil {
			s.t.Fatalf("snapshot %d should not be there", n)
		}
		if w.isKnown() && s.rng.IntN(4) > 0 {
			continue
		}
		l := must(e.OpenSnapshot("v", info.Name))
		ok(s.t, s.settle(l, w), l.Close())
	}
	for n := range s.snaps {
		if found[n] {
			continue
		}
		if n != s.making && n != s.removing {
			s.t.Fatalf("snapshot %d is gone", n)
		}
		delete(s.snaps, n)
	}
}

func (w *witnessed) isKnown() bool {
	return !slices.ContainsFunc(w.may, func(may []uint32) bool { return len(may) > 1 })
}

// settle reads all slots, of which each sector must hold what it may, and
// leaves in w what they hold.
func (s *survivor) settle(d io.ReaderAt, w *witnessed) error {
	for slot, may := range w.may {
		got := readSlot(s.t, d, uint32(slot))
		for i, stamp := range got {
			if !slices.Contains(may, stamp) {
				return fmt.Errorf("slot %d, sector %d holds %#x, want one of %#x", slot, i, stamp, may)
			}
		}
		w.may[slot] = slices.Compact(got)
	}
	return nil
}

// readSlot returns the stamp of each sector.
func readSlot(t *testing.T, d io.ReaderAt, slot uint32) (stamps []uint32) {
	t.Helper()
	off, n := slotPlace(slot)
	p, want := make([]byte, n), make([]byte, killSector)
	must(d.ReadAt(p, off))
	for i := 0; i < len(p); i += killSector {
		stamp := binary.LittleEndian.Uint32(p[i:])
		fillStamp(want, stamp)
		if !slices.Equal(p[i:i+killSector], want) {
			t.Fatalf("slot %d is torn within sector %d", slot, i/killSector)
		}
		stamps = append(stamps, stamp)
	}
	return stamps
}
