package targets

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"bootes.dev/internal/block"
	"bootes.dev/internal/boot"
	"bootes.dev/internal/inventory"
	"bootes.dev/internal/iscsi"
	"bootes.dev/internal/recorder"
	"bootes.dev/internal/scsi"
)

// addAttached opens what a machine has beside its own disk. It boots without
// what cannot be opened.
func (g *gate) addAttached(ctx context.Context, ad *boot.Admitted, luns iscsi.Units) {
	// Not ad's machine: while the older boot was fenced, a command may have
	// changed what it has.
	m, err := g.Inventory.Machine(ctx, ad.Machine.Name)
	if err != nil {
		g.Log.Error("attached disks could not be looked for", "machine", ad.Machine.Name, "err", err)
		return
	}
	for _, a := range m.Disks {
		u, err := g.attachedUnit(ctx, m.Name, a)
		if err != nil {
			g.Boot.Progress(ad.Boot, "", recorder.Error, fmt.Sprintf("it goes without LUN %d, %s, which cannot be opened: %v", a.LUN, a.What(), err))
			g.Log.Error("attached disk cannot be opened", "machine", m.Name, "lun", a.LUN, "err", err)
			continue
		}
		luns[a.LUN] = u
	}
}

// attachedUnit opens what is attached to a machine.
func (g *gate) attachedUnit(ctx context.Context, machine string, a inventory.Attachment) (iscsi.Unit, error) {
	if a.Image != "" {
		return g.imageUnit(ctx, a.Image)
	}
	v, err := g.Inventory.Volume(ctx, a.Volume)
	if err != nil {
		return iscsi.Unit{}, err
	}
	// As the machine's own disk, see openVolume.
	if _, err := g.Inventory.Static(ctx, machine); err == nil {
		if err := g.Storage.SetWriteThrough(ctx, v.ID, true); err != nil {
			return iscsi.Unit{}, err
		}
	}
	// A name may be used again: the time makes it another disk.
	id := scsi.Identity{Product: "DATA", UUID: diskUUID(v.ID + " of " + v.Created.Format(time.RFC3339Nano))}
	d, release, err := g.Shelf.Take(v.ID, machine, v.Shareable, func() (io.Closer, *scsi.Disk, error) {
		vol, err := g.Storage.OpenAttached(ctx, machine, a)
		return g.disk(vol, err, v, id, vol)
	})
	if err != nil {
		return iscsi.Unit{}, err
	}
	u := iscsi.Unit{Name: v.ID, Disk: d, Limits: limits(v), Close: func() { g.closedData(v.ID, release()) }}
	if a.ReadOnly {
		u.Disk = d.ReadOnly()
	}
	return u, nil
}

// imageUnit opens an image as a disk that nobody writes to, or as the disc in a
// CD-ROM drive.
func (g *gate) imageUnit(ctx context.Context, ref string) (iscsi.Unit, error) {
	d, err := g.Storage.OpenImage(ctx, ref)
	if err != nil {
		return iscsi.Unit{}, err
	}
	id := scsi.Identity{
		Vendor: "BOOTES", Product: "IMAGE", Revision: "1", Serial: d.Image.Layer, UUID: diskUUID("image " + d.Image.Layer), ReadOnly: true,
		BlockSize: int(d.Image.BlockSize),
	}
	closed := func() {
		if err := d.Close(); err != nil {
			g.Log.Error("image did not close cleanly", "image", ref, "err", err)
		}
	}
	if d.Image.Kind == inventory.CDROM {
		id.Product = "CD-ROM"
		return iscsi.Unit{Disk: scsi.NewCDROM(d.ReadOnly(), id), Close: closed}, nil
	}
	return iscsi.Unit{Disk: scsi.NewDisk(d.ReadOnly(), id), Close: closed}, nil
}

// closedData is closed for a data volume: no system that has it may go on with
// what it believes to have written.
func (g *gate) closedData(volume string, err error) {
	if err == nil {
		return
	}
	g.Log.Error("data volume did not close cleanly", "volume", volume, "err", err)
	if !errors.Is(err, block.ErrFailed) {
		return
	}
	at, err := g.Inventory.AttachedTo(context.Background(), volume)
	for _, s := range at {
		err = errors.Join(err, g.Inventory.EndBoots(context.Background(), s.Machine))
	}
	if err != nil {
		g.Log.Error("boots of a failed data volume could not be ended", "volume", volume, "err", err)
	}
}
