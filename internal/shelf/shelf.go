// Package shelf holds the volumes that are open as logical units. One that
// several machines share is opened for the first and closed after the last, and
// is one scsi.Disk in all their targets.
package shelf

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"

	"bootes.dev/internal/scsi"
)

// Shelf is ready for use as it is, by any number of goroutines.
type Shelf struct {
	mu  sync.Mutex
	all map[string]*shelved // by volume
}

// shelved is one volume of a shelf. Lock order: shelved.mu, Shelf.mu.
type shelved struct {
	mu    sync.Mutex // held while it is opened and closed
	vol   io.Closer
	disk  *scsi.Disk      // nil: it is not open
	users map[string]bool // machines
	refs  int             // users, and those who wait to be; guarded by Shelf.mu
}

// TakenError refuses a volume that another machine, or the same, has open.
type TakenError struct {
	Volume   string
	Machines []string
}

func (e *TakenError) Error() string {
	return fmt.Sprintf("volume %q is still open on %s: its last writes have not returned", e.Volume, strings.Join(e.Machines, ", "))
}

// Open opens a volume, and makes a logical unit of it.
type Open func() (io.Closer, *scsi.Disk, error)

// Take opens a volume for a machine, or shares it with those who have it open.
// release closes it after the last. *TakenError if it is open on others and not
// shared, or on this machine.
func (s *Shelf) Take(volume, machine string, shared bool, open Open) (disk *scsi.Disk, release func() error, err error) {
	b := s.reach(volume)
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.users) > 0 && (!shared || b.users[machine]) {
		defer s.drop(volume, b)
		return nil, nil, &TakenError{volume, slices.Sorted(maps.Keys(b.users))}
	}
	if b.disk == nil {
		if b.vol, b.disk, err = open(); err != nil {
			b.disk = nil
			s.drop(volume, b)
			return nil, nil, err
		}
		b.users = map[string]bool{}
	}
	b.users[machine] = true
	return b.disk, sync.OnceValue(func() error { return s.release(volume, machine, b) }), nil
}

func (s *Shelf) release(volume, machine string, b *shelved) (err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.users, machine)
	if len(b.users) == 0 {
		err = b.vol.Close()
		b.vol, b.disk = nil, nil
	}
	s.drop(volume, b)
	return err
}

// reach is the entry of a volume, which stays until drop.
func (s *Shelf) reach(volume string) *shelved {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.all[volume]
	if b == nil {
		if s.all == nil {
			s.all = map[string]*shelved{}
		}
		b = new(shelved)
		s.all[volume] = b
	}
	b.refs++
	return b
}

func (s *Shelf) drop(volume string, b *shelved) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b.refs--; b.refs == 0 {
		delete(s.all, volume)
	}
}

// With calls f with the disk of a volume, nil if it is not open, and does not
// let it be opened or closed meanwhile.
func (s *Shelf) With(volume string, f func(*scsi.Disk) error) error {
	b := s.reach(volume)
	defer s.drop(volume, b)
	b.mu.Lock()
	defer b.mu.Unlock()
	return f(b.disk)
}

// Claims is how many machines have a volume open, or wait for it.
func (s *Shelf) Claims(volume string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b := s.all[volume]; b != nil {
		return b.refs
	}
	return 0
}
