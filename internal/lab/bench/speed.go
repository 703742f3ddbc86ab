package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"bootes.dev/internal/goals"
	"bootes.dev/internal/lab/load"
)

// loadKind is one way to use a disk, and what is aimed at beside tgt.
type loadKind struct {
	name     string
	part     part
	stream   load.Stream
	sessions int     // alike; 0: one
	beside   bool    // the p99 counts of one stream at queue depth 1, on a client of its own
	floor    bool    // is measured on the bare loop, too
	faster   float64 // least ratio of IOPS
	cheaper  float64 // most ratio of CPU per I/O
}

const (
	small = 4 << 10
	large = 256 << 10
)

// Parts of the disk. What is read has stamps; the others are holes at first, on
// all sides, because the page cache keeps what came in small writes in small
// pages, to which large writes are slower ever after.
const (
	stamps part = iota
	smallWrites
	largeWrites
)

type part int

// of returns where p is on a disk of size bytes.
func (p part) of(size int64) (from, span int64) {
	switch eighth := size / 8; p {
	case smallWrites:
		return 6 * eighth, eighth
	case largeWrites:
		return 7 * eighth, eighth
	default:
		return 0, 6 * eighth
	}
}

var loadKinds = []loadKind{
	{name: "4 KiB random read, QD 1", stream: load.Stream{Size: small, Depth: 1, Random: true}, floor: true, faster: 1.2},
	{name: "4 KiB random read, QD 32", stream: load.Stream{Size: small, Depth: 32, Random: true}, floor: true, faster: 2, cheaper: 0.3},
	{name: "4 KiB random read off its place by 512 bytes, QD 32", stream: load.Stream{Size: small, Depth: 32, Random: true, Shift: 512}},
	{name: "256 KiB sequential read, QD 8", stream: load.Stream{Size: large, Depth: 8}, floor: true, faster: 1.75, cheaper: 1},
	{name: "8 sessions of 4 KiB random read, QD 32", stream: load.Stream{Size: small, Depth: 32, Random: true}, sessions: 8, faster: 2.5},
	{name: "QD 1 beside seven sessions at QD 32", stream: load.Stream{Size: small, Depth: 32, Random: true}, sessions: 8, beside: true, floor: true},
	{name: "4 KiB random write, QD 32", part: smallWrites, stream: load.Stream{Size: small, Depth: 32, Random: true, Write: true}, floor: true, faster: 2},
	{name: "256 KiB sequential write, QD 8", part: largeWrites, stream: load.Stream{Size: large, Depth: 8, Write: true}, floor: true, faster: 1.2, cheaper: 1},
	{name: "256 KiB sequential write, QD 8, where 4 KiB writes were", part: smallWrites, stream: load.Stream{Size: large, Depth: 8, Write: true}},
}

func (k *loadKind) job(e load.Endpoint, size int64, seconds float64, stamped bool) load.Job {
	j := load.Job{Seconds: seconds}
	for range max(k.sessions, 1) {
		s := k.stream
		s.Endpoint, s.Stamped = e, stamped
		s.From, s.Span = k.part.of(size)
		j.Streams = append(j.Streams, s)
	}
	return j
}

// sides are all that are compared.
type sides struct{ ours, theirs, floor *side }

// figures of one kind of load.
type figures struct{ ours, theirs, floor []result }

// speed measures all kinds of load, the sides in turn.
func (b *bench) speed(ctx context.Context, s sides) error {
	kinds := slices.DeleteFunc(slices.Clone(loadKinds), func(k loadKind) bool { return !b.chosen(k.name) })
	if len(kinds) == 0 {
		return nil
	}
	if err := b.warm(ctx, s); err != nil {
		return err
	}
	all := make([]figures, len(kinds))
	for i := range kinds {
		if err := b.measure(ctx, s, &kinds[i], &all[i]); err != nil {
			return fmt.Errorf("measure %s: %w", kinds[i].name, err)
		}
	}
	b.speedTable(kinds, all)
	b.costTable(kinds, all)
	return nil
}

// chosen tells whether a load is among those that were asked for.
func (b *bench) chosen(name string) bool { return b.Loads == nil || b.Loads.MatchString(name) }

// warm has both serve large WRITEs before anything is measured. Until tgt has, it
// maps and unmaps memory for each large command (malloc learns by what is freed),
// and its large READs are 2.5 times slower.
func (b *bench) warm(ctx context.Context, s sides) error {
	k := loadKind{part: largeWrites, stream: load.Stream{Size: large, Depth: 8, Write: true}}
	for _, side := range []*side{s.ours, s.theirs} {
		if err := b.turn(ctx, side, &k, new([]result), true); err != nil {
			return fmt.Errorf("warm up: %w", err)
		}
	}
	return nil
}

func (b *bench) measure(ctx context.Context, s sides, k *loadKind, f *figures) error {
	for range b.speedRounds() {
		err := b.turn(ctx, s.ours, k, &f.ours, true)
		err = errors.Join(err, b.turn(ctx, s.theirs, k, &f.theirs, true))
		if k.floor {
			err = errors.Join(err, b.turn(ctx, s.floor, k, &f.floor, false))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) turn(ctx context.Context, s *side, k *loadKind, into *[]result, real bool) error {
	j := k.job(s.endpoint, b.diskSize(), b.Seconds, real)
	for i := range j.Streams {
		j.Streams[i].Forget = !real
	}
	put := b.put
	if k.beside {
		put = b.putBeside
	}
	r, err := put(ctx, s, j)
	if err == nil {
		*into = append(*into, resultOf(r))
	}
	return err
}

// speedTable prints how fast the sides are.
func (b *bench) speedTable(kinds []loadKind, all []figures) {
	t := goals.New(b.Out, "load", "Boötes", "tgt", "bare loop", "Boötes, of tgt", "goal")
	for i, k := range kinds {
		f := &all[i]
		if k.beside {
			ours, theirs := medianP99(f.ours), medianP99(f.theirs)
			t.Row(ours <= theirs, goals.AtMost(1), "p99 of "+k.name, goals.Short(ours), goals.Short(theirs), goals.Short(medianP99(f.floor)),
				fmt.Sprintf("%.2f", float64(ours)/float64(theirs)))
			continue
		}
		ours, theirs := medianOf(f.ours), medianOf(f.theirs)
		ratio := ours.iops / theirs.iops
		t.Row(ratio >= k.faster, goals.AtLeast(k.faster), k.name, rate(k, ours), rate(k, theirs), b.floorRate(k, f), fmt.Sprintf("%.2f", ratio))
	}
}

func (b *bench) floorRate(k loadKind, f *figures) string {
	if !k.floor {
		return ""
	}
	return rate(k, medianOf(f.floor))
}

// rate is in IOPS, or bytes for large I/Os.
func rate(k loadKind, r result) string {
	if k.stream.Size >= large {
		return fmt.Sprintf("%.0f MB/s", r.bytes/1e6)
	}
	return fmt.Sprintf("%.0f IOPS", r.iops)
}

// costTable prints what it costs them, and the client.
func (b *bench) costTable(kinds []loadKind, all []figures) {
	t := goals.New(b.Out, "CPU of the target per I/O", "Boötes", "tgt", "bare loop", "client busy with Boötes, tgt", "Boötes, of tgt", "goal")
	for i, k := range kinds {
		f := &all[i]
		ours, theirs, floor := medianOf(f.ours), medianOf(f.theirs), ""
		if k.floor {
			floor = cost(k, medianOf(f.floor))
		}
		ratio := ours.perByte / theirs.perByte
		t.Row(ratio <= k.cheaper, goals.AtMost(k.cheaper), k.name, cost(k, ours), cost(k, theirs), floor,
			fmt.Sprintf("%.0f %%, %.0f %%", ours.client*100, theirs.client*100), fmt.Sprintf("%.2f", ratio))
	}
}

// cost is of one I/O or, for large ones, of a KiB.
func cost(k loadKind, r result) string {
	if k.stream.Size >= large {
		return fmt.Sprintf("%.0f ns/KiB", r.perByte*1024)
	}
	return r.server.Round(10 * time.Nanosecond).String()
}
