package main

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
