package storage

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"bootes.dev/internal/block"
	"bootes.dev/internal/cow"
	"bootes.dev/internal/inventory"
)

// CreateData makes a blank volume of size bytes, a multiple of 4096, that
// machines can be given beside their own disk. v says what it is called and how
// it is used.
func (s *Storage) CreateData(ctx context.Context, v inventory.Volume, size int64) (inventory.Volume, error) {
	if err := checkSize(size); err != nil {
		return v, err
	}
	v.Mode = inventory.Data
	// The note that is written first would cost a volume of that name its life.
	defer s.hold(v.ID)()
	ctx = context.WithoutCancel(ctx)
	if err := s.unmade(v.ID); err != nil {
		return v, err
	}
	if err := s.inv.PrepareData(ctx, v); err != nil {
		return v, err
	}
	note := inventory.Removal{Kind: inventory.RemoveVolume, ID: v.ID}
	if _, err := s.eng.CreateVolume(cow.VolumeSpec{ID: v.ID, Size: size, Limit: v.Limit}); err != nil {
		return v, errors.Join(err, s.finish(ctx, note))
	}
	added, err := s.inv.AddVolume(ctx, v)
	if inventory.Refused(err) { // otherwise the note decides, at the next start
		err = errors.Join(err, s.finish(ctx, note))
	}
	return added, err
}

// unmade refuses the name of a disk that is there without a record.
func (s *Storage) unmade(id string) error {
	_, err := s.eng.Volume(id)
	if errors.Is(err, cow.ErrNotExist) || s.recorded(id) {
		return nil
	}
	return &inventory.ExistsError{Kind: "disk of a volume", Name: id, Remedy: "it has no record: the store was restored from an older backup, or its removal failed and is tried again at the next start; choose another name"}
}

func (s *Storage) recorded(id string) bool {
	_, err := s.inv.Volume(context.Background(), id)
	return err == nil
}

// OpenAttached opens a data volume for a machine that has it attached. It asks
// once more whether it has: it may have been detached since.
func (s *Storage) OpenAttached(ctx context.Context, machine string, a inventory.Attachment) (*Opened, error) {
	defer s.hold(a.Volume)()
	m, err := s.inv.Machine(ctx, machine)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(m.Disks, a) {
		return nil, fmt.Errorf("%s was detached from machine %q meanwhile", a.What(), machine)
	}
	return s.openVolume(ctx, a.Volume)
}

// Moved is what has been read from a data volume and written to it, in bytes, since
// it was opened; 0 if it is not open.
func (s *Storage) Moved(volume string) (read, written int64) {
	for _, o := range s.opened.list() {
		if o.record.ID == volume {
			st := o.Stats()
			return st.ReadBytes, st.WrittenBytes
		}
	}
	return 0, 0
}

// loose refuses a data volume that a machine has, or just had.
func (s *Storage) loose(ctx context.Context, v inventory.Volume) error {
	at, err := s.inv.AttachedTo(ctx, v.ID)
	if err != nil {
		return err
	}
	if len(at) == 0 && s.open(v.ID) {
		return &inventory.InUseError{Kind: "volume", Name: v.ID, By: []string{"a machine that it was detached from, whose last I/O has not returned"}, Remedy: "try again"}
	}
	return inventory.AttachedError(v.ID, at)
}

// whose names a volume and the machine that it belongs to, if to one.
func whose(v inventory.Volume) string {
	if v.Mode == inventory.Data {
		return "data volume " + v.ID
	}
	return fmt.Sprintf("volume %s of machine %s", v.ID, v.Machine)
}

// ReadOnly is d as a device that takes no writes.
func (d *Disk) ReadOnly() block.Device { return readOnly{d} }

type readOnly struct{ *Disk }

var _ block.Pinner = readOnly{}

func (readOnly) WriteAt([]byte, int64) (int, error) { return 0, block.ErrReadOnly }
func (readOnly) Unmap(int64, int64) error           { return block.ErrReadOnly }
func (readOnly) Flush() error                       { return nil }
