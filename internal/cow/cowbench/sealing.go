package cowbench

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"bootes.dev/internal/cow"
)

// sealing measures snapshot, commit and rollback of a large volume with many
// changes, and how long a guest that goes on writing waits meanwhile.
func (b *bench) sealing(r *room) error {
	base, err := b.sparse(r, "base", b.wide, everywhere(b.wide))
	if err != nil {
		return err
	}
	ops := []*sealOp{
		{name: "snapshot", do: func(id string) (string, error) { _, err := r.eng.Snapshot(id, "s"); return "", err }},
		{name: "commit", do: func(id string) (string, error) { l, err := r.eng.Commit(id, ""); return l.ID, err }},
		{name: "rollback", closed: true, do: func(id string) (string, error) { return "", r.eng.Rollback(id, "before") }},
	}
	for i := range min(3, b.rounds) {
		for _, op := range ops {
			if err := b.seal(r, op, fmt.Sprint(op.name, i), base); err != nil {
				return fmt.Errorf("%s: %w", op.name, err)
			}
		}
	}
	for _, op := range ops {
		what := fmt.Sprintf("%s of a %s volume with %s changed", op.name, gib(b.wide), gib(b.changed))
		b.within(what, quantile(op.took, 0.5), 20*time.Millisecond)
		if !op.closed {
			b.within("… longest wait of a write meanwhile", quantile(op.stall, 0.5), 20*time.Millisecond)
		}
	}
	return nil
}

type sealOp struct {
	name        string
	closed      bool // the volume must be
	do          func(id string) (kept string, err error)
	took, stall []time.Duration
}

// seal changes a fresh clone all over and does op to it.
func (b *bench) seal(r *room, op *sealOp, id, base string) error {
	v, err := r.clone(id, base)
	if err != nil {
		return err
	}
	runs := b.runs()
	if _, err := v.WriteAt(pattern(blockSize), 0); err != nil {
		return err
	}
	if _, err := r.eng.Snapshot(id, "before"); err != nil {
		return err
	}
	for _, x := range runs {
		if _, err := v.WriteAt(pattern(runSize), x*runSize); err != nil {
			return err
		}
	}
	if err := v.Flush(); err != nil {
		return err
	}
	if op.closed {
		if err := v.Close(); err != nil {
			return err
		}
		start := time.Now()
		kept, err := op.do(id)
		op.took = append(op.took, time.Since(start))
		return errors.Join(err, r.forget(id, kept))
	}
	w := watch(v, runs)
	time.Sleep(20 * time.Millisecond)
	w.worst.Store(0)
	start := time.Now()
	kept, err := op.do(id)
	op.took = append(op.took, time.Since(start))
	time.Sleep(20 * time.Millisecond) // the writes that had to wait
	op.stall = append(op.stall, w.end())
	return errors.Join(err, w.err, v.Close(), r.forget(id, kept))
}

// runSize of the changes: all over the map, and soon freed again.
const runSize = 64 << 10

func (b *bench) runs() []int64 {
	return scattered(b.wide/runSize*blockSize, int(b.changed/runSize))
}

// watcher is a guest that writes all the time.
type watcher struct {
	worst atomic.Int64
	stop  atomic.Bool
	done  chan struct{}
	err   error
}

func watch(v *cow.Volume, runs []int64) *watcher {
	w := &watcher{done: make(chan struct{})}
	go func() {
		defer close(w.done)
		p := pattern(blockSize)
		for i := 0; !w.stop.Load() && w.err == nil; i++ {
			start := time.Now()
			_, w.err = v.WriteAt(p, runs[i%len(runs)]*runSize)
			if d := int64(time.Since(start)); d > w.worst.Load() {
				w.worst.Store(d)
			}
			time.Sleep(50 * time.Microsecond)
		}
	}()
	return w
}

// end returns the longest write.
func (w *watcher) end() time.Duration {
	w.stop.Store(true)
	<-w.done
	return time.Duration(w.worst.Load())
}

// forget removes a volume, and a layer that was kept of it, and waits until
// the space is free: nothing else is to be measured beside the freeing.
func (r *room) forget(volume, kept string) error {
	err := r.eng.RemoveVolume(volume)
	if err == nil && kept != "" {
		err = r.eng.RemoveLayer(kept)
	}
	return errors.Join(err, r.freed(5*time.Minute))
}

func (r *room) freed(limit time.Duration) error {
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if r.eng.Freeing() == 0 {
			return nil
		}
	}
	return fmt.Errorf("%d bytes are still being freed after %s", r.eng.Freeing(), limit)
}
