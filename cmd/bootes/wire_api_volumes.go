package main

import (
	"cmp"
	"context"

	"bootes.dev/internal/api"
	"bootes.dev/internal/block"
	"bootes.dev/internal/inventory"
	"bootes.dev/internal/scsi"
	"bootes.dev/internal/storage"
	"bootes.dev/internal/targets"
)

type volumes struct{ *house }

func (h *house) apiVolume(v storage.VolumeInfo) api.Volume {
	out := api.Volume{
		ID: v.ID, Machine: v.Machine, Ref: v.Ref, Image: v.Image, Newer: v.Newer, Digest: v.Digest, Mode: string(v.Mode),
		Size: v.Disk.Size, Stored: v.Stored, Own: v.Written, Since: v.Since, Private: v.Disk.Private, Limit: v.Limit,
		WriteThrough: v.Disk.WriteThrough, Depth: v.Disk.Depth, Open: v.Disk.Open, Boot: v.Boot, Created: v.Created,
		BlockSize: cmp.Or(v.BlockSize, block.SectorSize), Shared: v.Shareable, IOPS: v.IOPS, Bandwidth: v.Bandwidth,
	}
	for _, s := range v.Attached {
		out.Attached = append(out.Attached, api.Seat{Machine: s.Machine, LUN: s.LUN})
	}
	if v.Limit > 0 {
		out.UsedPercent = int(float64(v.Disk.Private) / float64(v.Limit) * 100)
	}
	for _, s := range v.Snapshots {
		out.Snapshots = append(out.Snapshots, apiSnapshot(s))
	}
	if v.Mode == inventory.Data {
		out.ReadBytes, out.WrittenBytes = h.storage.Moved(v.ID)
	} else {
		out.ReadBytes, out.WrittenBytes = h.targets.VolumeMoved(v.ID)
	}
	return out
}

func apiSnapshot(s storage.Snapshot) api.Snapshot {
	return api.Snapshot{
		Volume: s.Volume, Name: s.Name, Layer: s.Layer, Own: s.Own, Size: s.Size, Created: s.Created, Consistent: consistent(s.Clean),
	}
}

func consistent(clean bool) string {
	if clean {
		return api.Clean
	}
	return api.Crash
}

func (h volumes) Volumes(ctx context.Context) (api.VolumeList, error) {
	all, err := h.storage.Volumes(ctx)
	list, err := each(all, err, h.apiVolume)
	return api.VolumeList{Volumes: list, Freeing: h.engine.Freeing()}, err
}

func (h volumes) Volume(ctx context.Context, id string) (api.Volume, error) {
	v, err := h.storage.Volume(ctx, id)
	if err != nil {
		return api.Volume{}, apiError(err)
	}
	out := h.apiVolume(v)
	out.Reservations, err = h.reservations(ctx, id)
	return out, apiError(err)
}

func (h volumes) SetVolume(ctx context.Context, id string, c api.VolumeChange) (api.Volume, error) {
	if err := h.setUnit(ctx, id, c); err != nil {
		return api.Volume{}, apiError(err)
	}
	if c.WriteThrough != nil {
		if err := h.storage.SetWriteThrough(ctx, id, *c.WriteThrough); err != nil {
			return api.Volume{}, apiError(err)
		}
	}
	if c.Limit != nil {
		if _, err := h.storage.SetLimit(ctx, id, *c.Limit); err != nil {
			return api.Volume{}, apiError(err)
		}
	}
	return h.Volume(ctx, id)
}

func (h volumes) RemoveVolume(ctx context.Context, id string) error {
	return apiError(h.storage.RemoveVolume(ctx, id, false))
}

func (h volumes) ForceRemoveVolume(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(ctx, targets.LastIO)
	defer cancel()
	return apiError(h.storage.RemoveVolume(ctx, id, true))
}

func (h volumes) Snapshot(ctx context.Context, volume, name string) (api.Snapshot, error) {
	s, err := h.storage.Snapshot(ctx, volume, name)
	return apiSnapshot(s), apiError(err)
}

func (h volumes) RemoveSnapshot(ctx context.Context, volume, name string) error {
	return apiError(h.storage.RemoveSnapshot(ctx, volume, name))
}

func (h volumes) Rollback(ctx context.Context, volume, name string) error {
	return apiError(h.storage.Rollback(ctx, volume, name))
}

func (h volumes) CloneVolume(ctx context.Context, from api.Disk, machine string) (api.Volume, error) {
	v, err := h.storage.CloneVolume(ctx, from.Volume, from.Snapshot, machine)
	if err != nil {
		return api.Volume{}, apiError(err)
	}
	return h.Volume(context.WithoutCancel(ctx), v.ID)
}

func (h volumes) ResizeVolume(ctx context.Context, id string, size int64) error {
	if err := h.storage.Resize(ctx, id, size); err != nil {
		return apiError(err)
	}
	h.targets.Tell(ctx, id, scsi.CapacityChanged)
	return nil
}

func (h volumes) ResetVolume(ctx context.Context, id string) error {
	return apiError(h.storage.Reset(ctx, id))
}

func (h volumes) FlattenVolume(ctx context.Context, id string, progress func(api.Progress)) error {
	return apiError(h.storage.FlattenVolume(ctx, id, step(progress, "flatten")))
}
