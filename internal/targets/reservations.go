package targets

import (
	"context"
	"time"

	"bootes.dev/internal/inventory"
	"bootes.dev/internal/scsi"
)

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

// Reservations are those of a volume: of now if it is open, else those kept.
func (t *Targets) Reservations(ctx context.Context, volume string) (r scsi.Reservations, err error) {
	err = t.o.Shelf.With(volume, func(d *scsi.Disk) error {
		if d != nil {
			r = d.Reservations()
			return nil
		}
		data, err := t.o.Inventory.Reservations(ctx, volume)
		if err == nil {
			r, err = scsi.KeptReservations(data)
		}
		return err
	})
	return r, err
}

// ClearReservations forgets those of a volume, open or not.
func (t *Targets) ClearReservations(ctx context.Context, volume string) error {
	return t.o.Shelf.With(volume, func(d *scsi.Disk) error {
		if d != nil {
			return d.ClearReservations()
		}
		return t.o.Inventory.KeepReservations(ctx, volume, nil)
	})
}
