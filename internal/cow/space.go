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
	ask     func() (free, size int64, err error)
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
	left, _, err := s.look()
	return left, err
}

func (s *space) look() (left, size int64, err error) {
	free, size, err := s.ask()
	if err != nil {
		return 0, 0, fmt.Errorf("ask for free space: %w", err)
	}
	return free - max(0, s.minFree), size, nil
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

// keepShare of the disk is left free by copies that stay.
const keepShare = 8

// spare refuses n bytes that nobody waits for, if they are more than half of
// what is free: the rest is the machines'. If they are there to stay, because
// what is copied has names, a good part of the disk must be left, too: each
// copy may be small, and all of them together are not.
func (s *space) spare(n int64, toStay bool) error {
	left, size, err := s.look()
	if err != nil {
		return err
	}
	if toStay && left-n < size/keepShare {
		return fmt.Errorf("up to %d bytes would have to be copied, which would leave less than %d of the disk free: %w",
			n, size/keepShare, block.ErrNoSpace)
	}
	if n > left/2 {
		return fmt.Errorf("up to %d bytes would have to be copied, which is more than half of the %d that are free: %w", n, left, block.ErrNoSpace)
	}
	return nil
}
