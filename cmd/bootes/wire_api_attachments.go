package main

import (
	"context"
	"errors"
	"fmt"

	"bootes.dev/internal/api"
	"bootes.dev/internal/inventory"
	"bootes.dev/internal/iscsi"
	"bootes.dev/internal/scsi"
)

type attachments struct{ *house }

func (h attachments) CreateVolume(ctx context.Context, n api.NewVolume) (api.Volume, error) {
	limit := h.cfg.Limits.Volume
	set(&limit, n.Limit)
	v, err := h.storage.CreateData(ctx, inventory.Volume{ID: n.Name, BlockSize: n.BlockSize, Shareable: n.Shared, Limit: limit}, n.Size)
	if err != nil {
		return api.Volume{}, apiError(err)
	}
	return volumes(h).Volume(context.WithoutCancel(ctx), v.ID)
}

func (h attachments) Attach(ctx context.Context, machine string, r api.AttachRequest) (api.Attached, error) {
	defer h.seat(machine)()
	a, err := h.inv.Attach(ctx, machine, inventory.Attachment{LUN: r.LUN, Volume: r.Volume, Image: r.Image, ReadOnly: r.ReadOnly})
	if err != nil {
		return api.Attached{}, apiError(err)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), vacateTime)
	defer cancel()
	live, err := h.attachLive(ctx, machine, a)
	if err != nil { // as if nothing had been asked for
		undo := h.undoAttach(ctx, machine, a)
		return api.Attached{}, apiError(errors.Join(fmt.Errorf("give %s to machine %q: %w", a.What(), machine, err), undo))
	}
	return h.attached(ctx, machine, a, live), nil
}

// undoAttach takes back what could not be given. ctx may have ended.
func (h attachments) undoAttach(ctx context.Context, machine string, a inventory.Attachment) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), vacateTime)
	defer cancel()
	_, err := h.inv.Detach(ctx, machine, a.LUN)
	if err == nil {
		_, err = h.detachLive(ctx, machine, a)
	}
	return err
}

func (h attachments) Detach(ctx context.Context, machine string, lun uint8, force bool) (api.Attached, error) {
	defer h.seat(machine)()
	if !force {
		if err := h.mayDetach(ctx, machine, lun); err != nil {
			return api.Attached{}, apiError(err)
		}
	}
	a, err := h.inv.Detach(ctx, machine, lun)
	if err != nil {
		return api.Attached{}, apiError(err)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), vacateTime)
	defer cancel()
	live, err := h.detachLive(ctx, machine, a)
	return h.attached(ctx, machine, a, live), apiError(err)
}

func (h attachments) attached(ctx context.Context, machine string, a inventory.Attachment, live bool) api.Attached {
	out := api.Attached{Machine: machine, Attachment: apiAttachment(a), Kind: api.DiskImage, Live: live}
	if i, err := h.inv.Image(ctx, a.Image); err == nil && i.Kind == inventory.CDROM {
		out.Kind = api.CDROM
	}
	return out
}

func apiAttachment(a inventory.Attachment) api.Attachment {
	return api.Attachment{LUN: a.LUN, Volume: a.Volume, Image: a.Image, ReadOnly: a.ReadOnly}
}

// reservations are those of a volume: of now if it is open, else those kept.
func (h *house) reservations(ctx context.Context, volume string) (*api.Reservations, error) {
	var r scsi.Reservations
	err := h.shelf.With(volume, func(d *scsi.Disk) error {
		if d != nil {
			r = d.Reservations()
			return nil
		}
		data, err := h.inv.Reservations(ctx, volume)
		if err == nil {
			r, err = scsi.KeptReservations(data)
		}
		return err
	})
	if err != nil || !r.Any() {
		return nil, err
	}
	out := api.Reservations{Type: r.Type, Holders: append([]string{}, r.Holders...), Registered: []api.Registration{}, Kept: r.Kept}
	for _, reg := range r.Registered {
		out.Registered = append(out.Registered, api.Registration{Initiator: reg.Port, Key: fmt.Sprintf("%#x", reg.Key)})
	}
	return &out, nil
}

// clearReservations forgets those of a volume, open or not.
func (h *house) clearReservations(ctx context.Context, volume string) error {
	return h.shelf.With(volume, func(d *scsi.Disk) error {
		if d != nil {
			return d.ClearReservations()
		}
		return h.inv.KeepReservations(ctx, volume, nil)
	})
}

// setUnit changes what a volume is as a logical unit.
func (h *house) setUnit(ctx context.Context, id string, c api.VolumeChange) error {
	if c.Shared != nil || c.IOPS != nil || c.Bandwidth != nil {
		v, err := h.inv.SetUnit(ctx, id, func(v *inventory.Volume) {
			set(&v.Shareable, c.Shared)
			set(&v.IOPS, c.IOPS)
			set(&v.Bandwidth, c.Bandwidth)
		})
		if err == nil {
			err = h.limitLive(ctx, v)
		}
		if err != nil {
			return err
		}
	}
	if c.ClearReservations {
		return h.clearReservations(ctx, id)
	}
	return nil
}

// limitLive sets how fast a volume serves those who have it open. A login that is
// under way has perhaps read what was so before.
func (h *house) limitLive(ctx context.Context, v inventory.Volume) error {
	ctx, cancel := context.WithTimeout(ctx, vacateTime)
	defer cancel()
	at, err := h.inv.AttachedTo(ctx, v.ID)
	if err != nil {
		return err
	}
	if v.Machine != "" {
		at = append(at, inventory.Seat{Machine: v.Machine, LUN: bootDisk})
	}
	for _, seat := range at {
		if _, _, _, err := h.targets.held(ctx, seat.Machine); err != nil {
			return err
		}
	}
	for _, s := range h.seats(ctx, v.ID) {
		r := h.targets.now.Load()
		err := r.server.SetLimits(r.boot.Target(s.boot.Machine), s.lun, limits(v))
		if err != nil && !errors.Is(err, iscsi.ErrNoUnit) { // it has gone meanwhile
			return err
		}
	}
	return nil
}
