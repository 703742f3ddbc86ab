package cow_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"bootes.dev/internal/block"
	"bootes.dev/internal/cow"
	"bootes.dev/internal/cow/crashfs"
	"bootes.dev/internal/cow/vfs"
)

// history does random things to an engine over a crashfs that records, and
// marks in the log when each begins and when it has been acknowledged.
type history struct {
	fs    *crashfs.FS
	log   *crashfs.Log
	rng   *rand.Rand
	setup setup
	e     *cow.Engine

	// world as it is now, if nothing failed.
	world world
	open  map[string]block.Device
	// closed volumes cannot be read; this is what they hold.
	closed map[string]stamps
	lines  int
	stamp  uint32

	mu    sync.Mutex // guards marks and stamp
	marks []mark
}

// setup is what differs from one history to the other.
type setup struct {
	seed  uint64
	steps int
	// wrap plants a fault between engine and file system; device one above.
	wrap   func(vfs.FS) vfs.FS
	device func(*cow.Volume) block.Device
	// fault has operations fail; nth counts those of the same kind.
	fault   func(op, name string, nth int) error
	options cow.Options
	// nothing: record from an empty file system on; else with an image and a
	// volume in place.
	nothing bool
	// weights of the kinds of steps; nil: steps.
	weights []weight
	from    *heritage // nil: an image and a volume
}

// mark is something that the oracle must know, and how many operations of the
// file system were done when it happened.
type mark struct {
	at int
	do func(o *oracle)
}

func (h *history) note(do func(o *oracle)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.marks = append(h.marks, mark{h.log.Len(), do})
}

// run returns after the last step, or after the first that failed.
func (s setup) run() (*history, error) {
	if s.options.JournalSize == 0 { // a checkpoint often, or small flushes that carry their data
		s.options.JournalSize = 4096 << (s.seed % 3 * 2)
	}
	h := &history{
		fs: crashfs.New(s.seed, "/"), rng: rand.New(rand.NewPCG(s.seed, 31)), setup: s,
		world: world{map[string]volume{}, map[string]image{}},
		open:  map[string]block.Device{}, closed: map[string]stamps{},
	}
	if s.from != nil {
		h.fs, h.world, h.lines, h.stamp = s.from.fs, s.from.world, s.from.next, s.from.stamp
	}
	h.log = h.fs.Record()
	if s.nothing {
		h.setFault()
	}
	if err := h.begin(); err != nil {
		return h, err
	}
	if !s.nothing {
		h.settle()
		h.setFault()
	}
	for range s.steps {
		if err := h.step(); err != nil {
			return h, err
		}
	}
	return h, nil
}

func (h *history) setFault() {
	if h.setup.fault == nil {
		return
	}
	count := map[string]int{}
	h.fs.SetFault(func(op, name string) error {
		count[op]++
		return h.setup.fault(op, name, count[op]-1)
	})
}

// begin makes a golden image and a clone of it, or opens what there is.
func (h *history) begin() error {
	if h.setup.from != nil {
		return h.reopen()
	}
	if err := h.start(); err != nil {
		return err
	}
	if err := h.makeImage(""); err != nil {
		return err
	}
	base := pick(h, h.world.images)
	if err := h.makeVolume(cow.VolumeSpec{ID: "a", Base: base, Size: oddSize}, h.world.images[base]); err != nil {
		return err
	}
	return h.openVolume("a")
}

// settle begins the log here, with what there is.
func (h *history) settle() {
	h.log = h.fs.Record()
	now, lines := h.world, map[int]stamps{}
	for id, v := range now.volumes {
		lines[v.line] = must(readContent(h.open[id], v.size))
	}
	h.marks = []mark{{0, func(o *oracle) {
		o.now = now
		for id, c := range lines {
			o.lines[id] = newLine(c)
		}
	}}}
}

// boot is that of the machine on which the history runs.
func (h *history) boot() byte {
	if h.setup.from != nil {
		return h.setup.from.boot
	}
	return 1
}

func (h *history) start() (err error) {
	var fs vfs.FS = h.fs
	if h.setup.wrap != nil {
		fs = h.setup.wrap(fs)
	}
	h.e, err = engineOn(fs, h.boot(), h.setup.options)
	return err
}

// engineOn opens an engine that does nothing in the background.
func engineOn(fs vfs.FS, boot byte, o cow.Options) (*cow.Engine, error) {
	o.FS, o.BootID, o.Manual = fs, [16]byte{boot}, true
	if o.MergeDepth == 0 {
		o.MergeDepth, o.FlattenDepth = 2, 5
	}
	return cow.Open("/d", o)
}

type weight struct {
	n  int
	do func(h *history) error
}

var steps = []weight{
	{45, (*history).write}, {12, (*history).unmap}, {16, (*history).flush}, {3, (*history).burst},
	{4, (*history).toggle}, {4, (*history).makeClone}, {2, (*history).removeVolume},
	{6, (*history).snapshot}, {2, (*history).removeSnapshot}, {3, (*history).rollback}, {2, (*history).reset},
	{3, (*history).resize}, {4, (*history).commit}, {1, (*history).setWriteThrough},
	{2, (*history).layOnTop}, {2, (*history).removeImage}, {3, (*history).settleEngine},
	{2, (*history).flatten}, {1, (*history).flattenImage},
	{1, (*history).restart}, {2, (*history).kill},
}

func (h *history) step() error {
	list := h.setup.weights
	if list == nil {
		list = steps
	}
	total := 0
	for _, w := range list {
		total += w.n
	}
	k := h.rng.IntN(total)
	for _, w := range list {
		if k -= w.n; k < 0 {
			return w.do(h)
		}
	}
	return nil
}

// pick returns one of the names in a map, or "".
func pick[V any](h *history, m map[string]V) string {
	if len(m) == 0 {
		return ""
	}
	var names []string
	for n := range m {
		names = append(names, n)
	}
	slices.Sort(names)
	return names[h.rng.IntN(len(names))]
}

func (h *history) newStamp() uint32 {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stamp++
	return h.stamp
}

// drawPlace draws a range of watched sectors of a disk.
func drawPlace(rng *rand.Rand, size int64) (first, n int64) {
	for {
		pl := places[rng.IntN(len(places))]
		first = pl.first + rng.Int64N(pl.n)
		n = min(1+rng.Int64N(1<<rng.IntN(5)), pl.first+pl.n-first, size/512-first)
		if rng.IntN(3) == 0 { // whole blocks
			first, n = first&^7, (n+7)&^7
			n = min(n, size/512-first)
		}
		if n > 0 {
			return first, n
		}
	}
}

// put makes a change of a range, with its marks.
func (h *history) put(of volume, first, n int64, stamp uint32, do func() error) error {
	v, line := &version{stamp: stamp}, of.line
	var at []int
	for i, s := range watched {
		if s >= first && s < first+n {
			at = append(at, i)
		}
	}
	h.note(func(o *oracle) {
		v.began, v.ended, v.acked = o.clock, 0, false
		for _, i := range at {
			o.lines[line].begin(i, v)
		}
	})
	err := do()
	h.note(func(o *oracle) {
		v.ended, v.acked = o.clock, err == nil
		for _, i := range at {
			if v.acked {
				o.lines[line].acked(i, v, of.through)
			}
		}
	})
	return err
}

func (h *history) write() error { return h.writeTo(h.rng, pick(h, h.open)) }

func (h *history) writeTo(rng *rand.Rand, id string) error {
	if id == "" {
		return nil
	}
	v := h.world.volumes[id]
	first, n := drawPlace(rng, v.size)
	stamp := h.newStamp()
	p := make([]byte, n*512)
	for i := range n {
		stampSector(p[i*512:], first+i, stamp)
	}
	return h.put(v, first, n, stamp, func() error {
		_, err := h.open[id].WriteAt(p, first*512)
		return err
	})
}

func (h *history) unmap() error { return h.unmapOf(h.rng, pick(h, h.open)) }

func (h *history) unmapOf(rng *rand.Rand, id string) error {
	if id == "" {
		return nil
	}
	v := h.world.volumes[id]
	first, n := drawPlace(rng, v.size)
	switch rng.IntN(12) {
	case 0:
		first, n = 0, v.size/512
	case 1:
		first, n = 0, 64<<20/512 // a whole page of the map
	}
	return h.put(v, first, n, 0, func() error { return h.open[id].Unmap(first*512, n*512) })
}

func (h *history) flush() error { return h.flushOf(pick(h, h.open)) }

func (h *history) flushOf(id string) error {
	if id == "" {
		return nil
	}
	return h.flushing(h.world.volumes[id], h.open[id].Flush)
}

// flushing marks what is a flush, or contains one.
func (h *history) flushing(v volume, do func() error) error {
	began := int64(0)
	h.note(func(o *oracle) { began = o.clock })
	err := do()
	switch {
	case err == nil:
		h.note(func(o *oracle) { o.lines[v.line].flushed(began) })
	case errors.Is(err, block.ErrFailed):
		h.note(func(o *oracle) { o.lines[v.line].failed(v.volatile) })
	}
	return err
}

// burst has several at one volume at once, over syncs that take their time.
func (h *history) burst() error {
	id := pick(h, h.open)
	if id == "" {
		return nil
	}
	h.fs.SetSyncTime(100 * time.Microsecond)
	defer h.fs.SetSyncTime(0)
	errs := make([]error, 3)
	var wg sync.WaitGroup
	for w := range errs {
		rng := rand.New(rand.NewPCG(h.rng.Uint64(), uint64(w)))
		wg.Go(func() {
			for i := 0; i < 6 && errs[w] == nil; i++ {
				switch k := rng.IntN(10); {
				case k < 5:
					errs[w] = h.writeTo(rng, id)
				case k < 6:
					errs[w] = h.unmapOf(rng, id)
				default:
					errs[w] = h.flushOf(id)
				}
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// restart closes the engine in good order and opens it again.
func (h *history) restart() error {
	for _, id := range slices.Sorted(maps.Keys(h.open)) {
		if err := h.closeVolume(id); err != nil {
			return err
		}
	}
	if err := h.e.Close(); err != nil {
		return err
	}
	return h.reopen()
}

// kill ends the process, and starts the next one under the same boot.
func (h *history) kill() error {
	clear(h.open)
	h.fs.Kill()
	_ = h.e.Close()
	return h.reopen()
}

func (h *history) reopen() error {
	if err := h.start(); err != nil {
		return err
	}
	for _, id := range slices.Sorted(maps.Keys(h.world.volumes)) {
		if err := h.openVolume(id); err != nil {
			return fmt.Errorf("reopen: %w", err)
		}
	}
	return nil
}
