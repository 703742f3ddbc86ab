package cow

import (
	"fmt"
	"sync"
	"time"

	"bootes.dev/internal/block"
)

// space keeps volumes and layers from taking the last MinFree bytes of the
// host's disk, which belong to whoever else lives there: the state store's
// log, the system. Asking the kernel at each first write would cost as much
// as the write, so it hands out what it found in portions.
type space struct {
	free    func() (int64, error)
	minFree int64

	mu      sync.Mutex
	credit  int64
	fetched time.Time
}

const (
	creditPortion = 16 << 20
	creditAge     = time.Second // others write too
)

// take reserves n bytes or returns block.ErrNoSpace. What was taken and not
// used comes back by the next look at the disk.
func (s *space) take(n int64) error {
	if s.minFree <= 0 {
		return nil // the kernel itself says when the disk is full
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.credit < n || time.Since(s.fetched) > creditAge {
		free, err := s.free()
		if err != nil {
			return fmt.Errorf("ask for free space: %w", err)
		}
		s.credit = min(free-s.minFree, creditPortion+n)
		s.fetched = time.Now()
	}
	if s.credit < n {
		return fmt.Errorf("the disk of the data folder is down to its reserve of %d bytes: %w", s.minFree, block.ErrNoSpace)
	}
	s.credit -= n
	return nil
}

// Space is how the disk of the data folder is used, in bytes.
type Space struct {
	Free    int64 // that an ordinary user could still write
	MinFree int64 // of which volumes and layers may not take
	Layers  int64 // occupied by layers
	Volumes int64 // occupied by volumes, their layers not included
	Freeing int64 // occupied by what was removed
}

// Space measures; what cannot be measured counts as nothing.
func (e *Engine) Space() Space {
	s := Space{MinFree: e.o.MinFree, Freeing: e.Freeing()}
	free, err := e.fs.Free(e.dir)
	if err != nil {
		e.log.Error("cannot ask for free space", "err", err)
	}
	s.Free = free
	for _, l := range e.Layers() {
		s.Layers += l.Stored
	}
	for _, v := range e.Volumes() {
		s.Volumes += v.Stored
	}
	return s
}
