package storage

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"bootes.dev/internal/bytesize"
	"bootes.dev/internal/cow"
	"bootes.dev/internal/inventory"
)

// Opened is a volume that is served. Whoever opened it closes it.
type Opened struct {
	*cow.Volume
	WriteThrough bool // as it was when it was opened

	record inventory.Volume
	of     *opened

	// What was warned of and is still so. Watch alone changes it.
	full  atomic.Bool
	tight bool // of Watch alone
}

// Close closes the volume.
func (o *Opened) Close() error {
	o.of.remove(o)
	return o.Volume.Close()
}

// opened are the volumes that are served now.
type opened struct {
	mu  sync.Mutex
	all map[*Opened]struct{}
}

func (o *opened) add(v *Opened) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.all == nil {
		o.all = map[*Opened]struct{}{}
	}
	o.all[v] = struct{}{}
}

func (o *opened) remove(v *Opened) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.all, v)
}

func (o *opened) list() (all []*Opened) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for v := range o.all {
		all = append(all, v)
	}
	return all
}

// full are those that have been warned of their limits, by ID.
func (o *opened) full() map[string]bool {
	full := map[string]bool{}
	for _, v := range o.list() {
		full[v.record.ID] = v.full.Load()
	}
	return full
}

// Warning says that the writes of a machine will fail before long.
type Warning struct {
	Volume        inventory.Volume
	Used, Limit   int64 // bytes; Limit is 0 if it is the server's disk that is nearly full
	Free, MinFree int64 // bytes, of that disk
	Dir           string
}

func (w Warning) String() string {
	if w.Limit == 0 {
		return fmt.Sprintf("this server's disk has %s free, and at %s the writes of all machines fail: make room under %q", bytesize.Format(w.Free), bytesize.Format(w.MinFree), w.Dir)
	}
	disk := "its disk"
	if w.Volume.Mode == inventory.Data {
		disk = whose(w.Volume)
	}
	return disk + fmt.Sprintf(" holds %s of the %s that it may, %d%%; at the limit its writes fail: `bootes volume set %s --limit SIZE` raises it",
		bytesize.Format(w.Used), bytesize.Format(w.Limit), w.Used*100/w.Limit, w.Volume.ID)
}

// Watch looks once a second whether a volume that is served comes near its
// limit, or the server's disk near what must stay free, and warns once each
// time, until ctx ends.
func (s *Storage) Watch(ctx context.Context) error {
	if !s.warns() {
		<-ctx.Done()
		return nil
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for blind := false; ; {
		select {
		case <-tick.C:
			free, err := s.free()
			if err != nil && !blind {
				s.log.Error("free space is not watched", "err", err)
			}
			if blind = err != nil; !blind {
				s.look(free)
			}
		case <-ctx.Done():
			return nil
		}
	}
}

func (s *Storage) warns() bool { return s.o.WarnAt > 0 && s.o.WarnAt < 100 }

// nearlyFull reports whether the server's disk is near what must stay free.
func (s *Storage) nearlyFull(free int64) bool {
	return s.o.MinFree > 0 && crossed(s.tight.Load(), 2*s.o.MinFree, free, 100)
}

// nearlyAt reports whether a volume is beyond what is warned of; was: at the
// last look.
func (s *Storage) nearlyAt(was bool, used, limit int64) bool {
	return s.warns() && crossed(was, used, limit, int64(s.o.WarnAt))
}

// look warns of what was not so at the last look.
func (s *Storage) look(free int64) {
	tight := s.nearlyFull(free)
	if tight && !s.tight.Load() {
		s.log.Warn("this server's disk is nearly full", "dir", s.o.Dir, "free", free, "min_free", s.o.MinFree)
	}
	s.tight.Store(tight)
	for _, o := range s.opened.list() {
		w := Warning{Volume: o.record, Used: o.Used(), Limit: o.Limit(), Free: free, MinFree: s.o.MinFree, Dir: s.o.Dir}
		full := s.nearlyAt(o.full.Load(), w.Used, w.Limit)
		if full && !o.full.Load() {
			s.warned.add(o.record.ID)
			s.log.Warn("volume is nearly full", "volume", o.record.ID, "machine", o.record.Machine, "used", w.Used, "limit", w.Limit)
			s.o.Warn(w)
		}
		if tight && !o.tight {
			w.Limit = 0
			s.o.Warn(w)
		}
		o.full.Store(full)
		o.tight = tight
	}
}

// warned counts the warnings that volumes have had of their limits since the
// server's start.
type warned struct {
	mu sync.Mutex
	of map[string]int64
}

func (w *warned) add(volume string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.of == nil {
		w.of = map[string]int64{}
	}
	w.of[volume]++
}

func (w *warned) forget(volume string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.of, volume)
}

func (w *warned) count(volume string) int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.of[volume]
}

// crossed reports whether used is beyond at percent of limit. What was beyond
// must fall clearly below before it is not: a value that plays around the
// threshold is told of once.
func crossed(was bool, used, limit, at int64) bool {
	if limit <= 0 {
		return false
	}
	if was {
		at -= 5
	}
	return float64(used) >= float64(limit)/100*float64(at)
}
