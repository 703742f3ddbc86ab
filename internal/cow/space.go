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

// left is how many bytes layers and volumes may still take.
func (s *space) left() (int64, error) {
	free, err := s.free()
	if err != nil {
		return 0, fmt.Errorf("ask for free space: %w", err)
	}
	return free - max(0, s.minFree), nil
}

// take reserves n bytes or returns block.ErrNoSpace. What was taken and not
// used comes back by the next look at the disk.
func (s *space) take(n int64) error {
	if s.minFree <= 0 {
		return nil // the kernel itself says when the disk is full
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.credit < n || time.Since(s.fetched) > creditAge {
		left, err := s.left()
		if err != nil {
			return err
		}
		s.credit = min(left, creditPortion+n)
		s.fetched = time.Now()
	}
	if s.credit < n {
		return fmt.Errorf("the disk of the data folder is down to its reserve of %d bytes: %w", s.minFree, block.ErrNoSpace)
	}
	s.credit -= n
	return nil
}

// spare refuses n bytes that nobody waits for, if they are more than half of
// what is free: the rest is the machines'.
func (s *space) spare(n int64) error {
	left, err := s.left()
	if err != nil {
		return err
	}
	if n > left/2 {
		return fmt.Errorf("up to %d bytes would have to be copied, which is more than half of the %d that are free: %w", n, left, block.ErrNoSpace)
	}
	return nil
}
