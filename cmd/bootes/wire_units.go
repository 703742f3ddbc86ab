package main

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
	"bootes.dev/internal/storage"
)

// bootUnit opens the disk that a machine boots from.
func (g *gate) bootUnit(ctx context.Context, ad *boot.Admitted, v inventory.Volume) (iscsi.Unit, error) {
	fresh := false
	d, release, err := g.shelf.Take(v.ID, ad.Machine.Name, false, func() (io.Closer, *scsi.Disk, error) {
		vol, err := g.openVolume(ctx, ad)
		fresh = err == nil && vol.Used() == 0
		if err == nil {
			g.look(ctx, ad, vol)
		}
		return g.disk(vol, err, v, scsi.Identity{Product: "DISK", UUID: diskUUID(v.ID)}, g.observe(ad, vol))
	})
	if err != nil {
		return iscsi.Unit{}, err
	}
	u := iscsi.Unit{Name: v.ID, Disk: d, Limits: limits(v), Close: func() {
		g.traces.DiskClosed(ad.Boot.ID)
		g.closed(ad, release())
	}}
	if fresh && !ad.Static {
		u.Watch = g.watch(ctx, ad, v)
	}
	return u, nil
}

// limits are how fast a volume serves.
func limits(v inventory.Volume) iscsi.Limits {
	return iscsi.Limits{IOPS: v.IOPS, BytesPerSecond: v.Bandwidth}
}

// disk makes a logical unit of a volume that was opened. If it cannot, the
// volume is closed.
func (g *gate) disk(vol *storage.Opened, err error, v inventory.Volume, id scsi.Identity, dev block.Device) (*storage.Opened, *scsi.Disk, error) {
	if err != nil {
		return nil, nil, err
	}
	d := scsi.NewDisk(dev, g.identity(vol, v, id))
	if err := d.KeepReservations(keeper{g.inv, v.ID}); err != nil {
		return nil, nil, errors.Join(err, vol.Close())
	}
	return vol, d, nil
}

func (g *gate) identity(vol *storage.Opened, v inventory.Volume, id scsi.Identity) scsi.Identity {
	id.Vendor, id.Revision, id.Serial, id.BlockSize = "BOOTES", "1", v.ID, int(v.BlockSize)
	id.WriteThrough, id.Provisioning = vol.WritesThrough, func() scsi.Provisioning { return g.provisioning(vol) }
	return id
}

// addAttached opens what a machine has beside its own disk. It boots without
// what cannot be opened.
func (g *gate) addAttached(ctx context.Context, ad *boot.Admitted, luns iscsi.Units) {
	// Not ad's machine: while the older boot was fenced, a command may have
	// changed what it has.
	m, err := g.inv.Machine(ctx, ad.Machine.Name)
	if err != nil {
		g.log.Error("attached disks could not be looked for", "machine", ad.Machine.Name, "err", err)
		return
	}
	for _, a := range m.Disks {
		u, err := g.attachedUnit(ctx, m.Name, a)
		if err != nil {
			g.boot.Progress(ad.Boot, "", recorder.Error, fmt.Sprintf("it goes without LUN %d, %s, which cannot be opened: %v", a.LUN, a.What(), err))
			g.log.Error("attached disk cannot be opened", "machine", m.Name, "lun", a.LUN, "err", err)
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
	v, err := g.inv.Volume(ctx, a.Volume)
	if err != nil {
		return iscsi.Unit{}, err
	}
	// As the machine's own disk, see openVolume.
	if _, err := g.inv.Static(ctx, machine); err == nil {
		if err := g.storage.SetWriteThrough(ctx, v.ID, true); err != nil {
			return iscsi.Unit{}, err
		}
	}
	// A name may be used again: the time makes it another disk.
	id := scsi.Identity{Product: "DATA", UUID: diskUUID(v.ID + " of " + v.Created.Format(time.RFC3339Nano))}
	d, release, err := g.shelf.Take(v.ID, machine, v.Shareable, func() (io.Closer, *scsi.Disk, error) {
		vol, err := g.storage.OpenAttached(ctx, machine, a)
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
	d, err := g.storage.OpenImage(ctx, ref)
	if err != nil {
		return iscsi.Unit{}, err
	}
	id := scsi.Identity{
		Vendor: "BOOTES", Product: "IMAGE", Revision: "1", Serial: d.Image.Layer, UUID: diskUUID("image " + d.Image.Layer), ReadOnly: true,
		BlockSize: int(d.Image.BlockSize),
	}
	closed := func() {
		if err := d.Close(); err != nil {
			g.log.Error("image did not close cleanly", "image", ref, "err", err)
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
	g.log.Error("data volume did not close cleanly", "volume", volume, "err", err)
	if !errors.Is(err, block.ErrFailed) {
		return
	}
	at, err := g.inv.AttachedTo(context.Background(), volume)
	for _, s := range at {
		err = errors.Join(err, g.inv.EndBoots(context.Background(), s.Machine))
	}
	if err != nil {
		g.log.Error("boots of a failed data volume could not be ended", "volume", volume, "err", err)
	}
}
