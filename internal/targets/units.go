package targets

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"

	"bootes.dev/internal/block"
	"bootes.dev/internal/boot"
	"bootes.dev/internal/inventory"
	"bootes.dev/internal/iscsi"
	"bootes.dev/internal/scsi"
	"bootes.dev/internal/storage"
)

// openDisk makes the logical units of a boot.
func (g *gate) openDisk(ctx context.Context, ad *boot.Admitted) (iscsi.Units, error) {
	v, err := g.Inventory.Volume(ctx, ad.Boot.Volume)
	if err != nil {
		return nil, err
	}
	luns := iscsi.Units{}
	if g.givesIdentity(ctx, v) {
		m, err := boot.IdentityFor(ad.Machine, v)
		if err != nil {
			return nil, err
		}
		content, err := boot.IdentityDisk(m)
		if err != nil {
			return nil, err
		}
		luns[1] = iscsi.Unit{Disk: scsi.NewDisk(scsi.ReadOnlyBytes(content), scsi.Identity{
			Vendor: "BOOTES", Product: "IDENTITY", Revision: "1", Serial: v.ID + "-id",
			UUID: diskUUID(v.ID + "/identity"), ReadOnly: true,
		})}
	}
	if luns[BootDisk], err = g.bootUnit(ctx, ad, v); err != nil {
		return nil, err
	}
	g.addAttached(ctx, ad, luns)
	return luns, nil
}

// bootUnit opens the disk that a machine boots from.
func (g *gate) bootUnit(ctx context.Context, ad *boot.Admitted, v inventory.Volume) (iscsi.Unit, error) {
	fresh := false
	d, release, err := g.Shelf.Take(v.ID, ad.Machine.Name, false, func() (io.Closer, *scsi.Disk, error) {
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
		g.Traces.DiskClosed(ad.Boot.ID)
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
	if err := d.KeepReservations(keeper{g.Inventory, v.ID}); err != nil {
		return nil, nil, errors.Join(err, vol.Close())
	}
	return vol, d, nil
}

func (g *gate) identity(vol *storage.Opened, v inventory.Volume, id scsi.Identity) scsi.Identity {
	id.Vendor, id.Revision, id.Serial, id.BlockSize = "BOOTES", "1", v.ID, int(v.BlockSize)
	id.WriteThrough, id.Provisioning = vol.WritesThrough, func() scsi.Provisioning { return g.provisioning(vol) }
	return id
}

// diskUUID derives a disk's identifier from the name of its volume, so that it
// is the same for the volume's life.
func diskUUID(name string) (id [16]byte) {
	h := sha256.Sum256([]byte("bootes disk " + name))
	copy(id[:], h[:])
	return id
}

// openVolume opens the disk of a boot, or that of static credentials. The latter
// writes through: after a power cut of this server nothing tells a system that
// goes on from one that starts afresh.
func (g *gate) openVolume(ctx context.Context, ad *boot.Admitted) (*storage.Opened, error) {
	if !ad.Static {
		return g.Storage.OpenFor(ctx, ad.Boot)
	}
	if err := g.Storage.SetWriteThrough(ctx, ad.Boot.Volume, true); err != nil {
		return nil, err
	}
	return g.Storage.OpenVolume(ctx, ad.Boot.Volume)
}

var _ scsi.Mapper = (*storage.Opened)(nil)

// provisioning is the space of a volume, as its machine may ask for it.
func (g *gate) provisioning(v *storage.Opened) scsi.Provisioning {
	p := scsi.Provisioning{Used: v.Used(), Limit: v.Limit()}
	if g.WarnAt < 100 {
		p.Warn = p.Limit / 100 * int64(g.WarnAt)
	}
	return p
}

// givesIdentity reports whether the system on v takes its identity from LUN 1.
// Volumes of before they said so themselves are as their image is.
func (g *gate) givesIdentity(ctx context.Context, v inventory.Volume) bool {
	if v.Identity || v.Image == "" {
		return v.Identity
	}
	i, err := g.Inventory.Image(ctx, v.Image)
	return err == nil && i.Identity
}
