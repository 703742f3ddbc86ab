package storage

import (
	"context"
	"fmt"
	"sync"
	"time"

	"bootes.dev/internal/cow"
	"bootes.dev/internal/inventory"
)

// Opened is a volume that is served. Whoever opened it closes it.
type Opened struct {
	*cow.Volume
	WriteThrough bool // as it was when it was opened

	record inventory.Volume
	of     *opened

	full, tight bool // what was warned of and is still so; of Watch alone
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

// Warning says that the writes of a machine will fail before long.
type Warning struct {
	Volume        inventory.Volume
	Used, Limit   int64 // bytes; Limit is 0 if it is the server's disk that is nearly full
	Free, MinFree int64 // bytes, of that disk
	Dir           string
}

func (w Warning) String() string {
	if w.Limit == 0 {
		return fmt.Sprintf("this server's disk has %s free, and at %s the writes of all machines fail: make room under %q", human(w.Free), human(w.MinFree), w.Dir)
	}
	return fmt.Sprintf("its disk holds %s of the %s that it may, %d%%; at the limit its writes fail: `bootes volume set %s --limit SIZE` raises it",
		human(w.Used), human(w.Limit), w.Used*100/w.Limit, w.Volume.ID)
}

// Watch looks once a second whether a volume that is served comes near its
// limit, or the server's disk near what must stay free, and warns once each
// time, until ctx ends.
func (s *Storage) Watch(ctx context.Context) error {
	if s.o.WarnAt <= 0 || s.o.WarnAt >= 100 {
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

// look warns of what was not so at the last look.
func (s *Storage) look(free int64) {
	tight := s.o.MinFree > 0 && crossed(s.tight, 2*s.o.MinFree, free, 100)
	if tight && !s.tight {
		s.log.Warn("this server's disk is nearly full", "dir", s.o.Dir, "free", free, "min_free", s.o.MinFree)
	}
	s.tight = tight
	for _, o := range s.opened.list() {
		w := Warning{Volume: o.record, Used: o.Used(), Limit: o.Limit(), Free: free, MinFree: s.o.MinFree, Dir: s.o.Dir}
		full := crossed(o.full, w.Used, w.Limit, int64(s.o.WarnAt))
		if full && !o.full {
			s.log.Warn("volume is nearly full", "volume", o.record.ID, "machine", o.record.Machine, "used", w.Used, "limit", w.Limit)
			s.o.Warn(w)
		}
		if tight && !o.tight {
			w.Limit = 0
			s.o.Warn(w)
		}
		o.full, o.tight = full, tight
	}
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
