package cow_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"time"

	"bootes.dev/internal/cow"
)

// The process that is killed. It writes to a volume and changes what it
// consists of, and reports each thing on stdout, before and after.

const (
	killDir    = "BOOTES_COW_KILL_DIR"
	killSector = 512
	killDisk   = 64 << 20
	killSlots  = 1 << 12       // each written by one worker only:
	killParts  = killSlots / 2 // slots of one sector first, then whole blocks
)

// A report is a subject and a number, four bytes each. The subject is a slot,
// the number its stamp, 0 for an Unmap; or one of these, the number being the
// snapshot's.
const (
	reportSnapshot = killSlots + iota
	reportRemoval
	reportRollback
	reportBegins = 1 << 31 // it may happen from now on; else it has
)

var killOptions = cow.Options{JournalSize: 64 << 10, MergeDepth: 3, FlattenDepth: 6}

// slotPlace spreads the slots over the disk.
func slotPlace(slot uint32) (off, n int64) {
	if slot >= killParts {
		return int64(slot-killParts)*8192 + killDisk/2 - 4<<20, 4096
	}
	return int64(slot) * killSector, killSector
}

func snapshotName(number uint32) string { return fmt.Sprint("s", number) }

// report writes to the pipe at once: what is not in it may not have happened.
func report(subject, number uint32) {
	var b [8]byte
	binary.LittleEndian.PutUint32(b[:], subject)
	binary.LittleEndian.PutUint32(b[4:], number)
	if _, err := os.Stdout.Write(b[:]); err != nil {
		os.Exit(4)
	}
}

// reported does something between its two reports.
func reported(subject, number uint32, do func() error) error {
	report(subject|reportBegins, number)
	err := do()
	if err == nil {
		report(subject, number)
	}
	return err
}

func liveUntilKilled(dir string) {
	e := must(cow.Open(dir, killOptions))
	rng := rand.New(rand.NewPCG(uint64(os.Getpid()), uint64(time.Now().UnixNano())))
	dieOf(beforeOpening(e, rng))
	v := must(e.OpenVolume("v"))
	for w := range uint32(4) {
		rng := rand.New(rand.NewPCG(rng.Uint64(), 0))
		go func() {
			for {
				dieOf(writeSlot(v, rng.Uint32N(killSlots/4)*4+w, rng))
			}
		}()
	}
	for {
		dieOf(rebuild(e, rng))
		time.Sleep(time.Duration(rng.IntN(20)) * time.Millisecond)
	}
}

func dieOf(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(3)
	}
}

func writeSlot(v *cow.Volume, slot uint32, rng *rand.Rand) error {
	stamp := rng.Uint32N(8) * (rng.Uint32() | 1)
	off, n := slotPlace(slot)
	p := make([]byte, n)
	fillStamp(p, stamp)
	err := reported(slot, stamp, func() error {
		if stamp == 0 {
			return v.Unmap(off, n)
		}
		_, err := v.WriteAt(p, off)
		return err
	})
	if err == nil && rng.IntN(200) == 0 {
		err = v.Flush()
	}
	return err
}

func fillStamp(p []byte, stamp uint32) {
	for i := 0; i < len(p); i += 4 {
		binary.LittleEndian.PutUint32(p[i:], stamp)
	}
}

// beforeOpening does what needs the volume closed, and keeps things few.
func beforeOpening(e *cow.Engine, rng *rand.Rand) error {
	for _, l := range e.Layers() {
		if l.Kept && l.Parent != "" {
			if err := e.RemoveLayer(l.ID); !errors.Is(err, cow.ErrDependents) && err != nil {
				return err
			}
		}
	}
	snaps := must(e.Volume("v")).Snapshots
	if len(snaps) > 0 && rng.IntN(4) == 0 {
		s := snaps[rng.IntN(len(snaps))].Name
		if err := reported(reportRollback, snapshotNumber(s), func() error { return e.Rollback("v", s) }); err != nil {
			return err
		}
	}
	for i := 3; i < len(snaps); i++ {
		if err := removeSnapshot(e, snaps[i-3].Name); err != nil {
			return err
		}
	}
	return nil
}

func removeSnapshot(e *cow.Engine, name string) error {
	return reported(reportRemoval, snapshotNumber(name), func() error { return e.RemoveSnapshot("v", name) })
}

func snapshotNumber(name string) (n uint32) {
	must(fmt.Sscanf(name, "s%d", &n))
	return n
}

// rebuild changes what the volume consists of.
func rebuild(e *cow.Engine, rng *rand.Rand) error {
	snaps := must(e.Volume("v")).Snapshots
	switch k := rng.IntN(10); {
	case k < 5:
		n := rng.Uint32N(1 << 24)
		return reported(reportSnapshot, n, func() error {
			_, err := e.Snapshot("v", snapshotName(n))
			return err
		})
	case k < 7 && len(snaps) > 0:
		return removeSnapshot(e, snaps[rng.IntN(len(snaps))].Name)
	case k < 8:
		_, err := e.Commit("v", "")
		return err
	case k < 9:
		return e.FlattenVolume(context.Background(), "v", nil)
	}
	return nil
}
