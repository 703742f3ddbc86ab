package main

import (
	"context"
	"fmt"

	"bootes.dev/internal/api"
	"bootes.dev/internal/inventory"
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
	a, live, err := h.targets.Attach(ctx, machine, inventory.Attachment{LUN: r.LUN, Volume: r.Volume, Image: r.Image, ReadOnly: r.ReadOnly})
	return h.attached(ctx, machine, a, live), apiError(err)
}

func (h attachments) Detach(ctx context.Context, machine string, lun uint8, force bool) (api.Attached, error) {
	a, live, err := h.targets.Detach(ctx, machine, lun, force)
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

func (h *house) reservations(ctx context.Context, volume string) (*api.Reservations, error) {
	r, err := h.targets.Reservations(ctx, volume)
	if err != nil || !r.Any() {
		return nil, err
	}
	out := api.Reservations{Type: r.Type, Holders: append([]string{}, r.Holders...), Registered: []api.Registration{}, Kept: r.Kept}
	for _, reg := range r.Registered {
		out.Registered = append(out.Registered, api.Registration{Initiator: reg.Port, Key: fmt.Sprintf("%#x", reg.Key)})
	}
	return &out, nil
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
			err = h.targets.Limit(ctx, v)
		}
		if err != nil {
			return err
		}
	}
	if c.ClearReservations {
		return h.targets.ClearReservations(ctx, id)
	}
	return nil
}
