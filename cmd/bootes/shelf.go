package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"bootes.dev/internal/inventory"
	"bootes.dev/internal/scsi"
	"bootes.dev/internal/storage"
)

// shelf holds the volumes that are open as logical units. One that several
// machines share is opened for the first and closed after the last, and is one
// scsi.Disk in all their targets.
type shelf struct {
	mu  sync.Mutex
	all map[string]*shelved // by volume
}

// shelved is one volume of a shelf. Lock order: shelved.mu, shelf.mu.
type shelved struct {
	mu    sync.Mutex // held while it is opened and closed
	vol   *storage.Opened
	disk  *scsi.Disk      // nil: it is not open
	users map[string]bool // machines
	refs  int             // users, and those who wait to be; guarded by shelf.mu
}

// takenError refuses a volume that another machine, or the same, has open.
type takenError struct {
	volume   string
	machines []string
}

func (e *takenError) Error() string {
	return fmt.Sprintf("volume %q is still open on %s: its last writes have not returned", e.volume, strings.Join(e.machines, ", "))
}

// take opens a volume for a machine with open, or shares it with those who have
// it open. release closes it after the last.
func (s *shelf) take(volume, machine string, shared bool, open func() (*storage.Opened, *scsi.Disk, error)) (b *shelved, release func() error, err error) {
	b = s.reach(volume)
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.users) > 0 && (!shared || b.users[machine]) {
		defer s.drop(volume, b)
		return nil, nil, &takenError{volume, slices.Sorted(maps.Keys(b.users))}
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
	return b, sync.OnceValue(func() error { return s.release(volume, machine, b) }), nil
}

func (s *shelf) release(volume, machine string, b *shelved) (err error) {
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
func (s *shelf) reach(volume string) *shelved {
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

func (s *shelf) drop(volume string, b *shelved) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b.refs--; b.refs == 0 {
		delete(s.all, volume)
	}
}

// with calls f with the disk of a volume, nil if it is not open, and does not
// let it be opened or closed meanwhile.
func (s *shelf) with(volume string, f func(*scsi.Disk) error) error {
	b := s.reach(volume)
	defer s.drop(volume, b)
	b.mu.Lock()
	defer b.mu.Unlock()
	return f(b.disk)
}

// keeper keeps the persistent reservations of a volume in the store.
type keeper struct {
	inv    *inventory.Inventory
	volume string
}

var _ scsi.Keeper = keeper{}

// keepTime bounds how long a command waits for the store.
const keepTime = 10 * time.Second

func (k keeper) Load() ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), keepTime)
	defer cancel()
	return k.inv.Reservations(ctx, k.volume)
}

func (k keeper) Keep(data []byte) error {
	ctx, cancel := context.WithTimeout(context.Background(), keepTime)
	defer cancel()
	return k.inv.KeepReservations(ctx, k.volume, data)
}
