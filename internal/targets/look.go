package targets

import (
	"context"

	"bootes.dev/internal/block"
	"bootes.dev/internal/inventory"
	"bootes.dev/internal/iscsi"
	"bootes.dev/internal/scsi"
	"bootes.dev/internal/storage"
)

// openLook makes the one logical unit of a simulated machine: what it would boot,
// to read. Its identity is not among them, which holds secrets.
func (g *gate) openLook(ctx context.Context, v inventory.Volume) (iscsi.Units, error) {
	if v.ID == "" {
		u, err := g.imageUnit(ctx, v.Image)
		return iscsi.Units{BootDisk: u}, err
	}
	d, err := g.Storage.Peek(ctx, v.ID)
	if err != nil {
		return nil, err
	}
	id := scsi.Identity{Vendor: "BOOTES", Product: "DISK", Revision: "1", Serial: v.ID, UUID: diskUUID(v.ID), BlockSize: int(v.BlockSize), ReadOnly: true}
	return iscsi.Units{BootDisk: {Disk: scsi.NewDisk(d, id)}}, nil
}

var _ block.Device = (*storage.Peeked)(nil)
