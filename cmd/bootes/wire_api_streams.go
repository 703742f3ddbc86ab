package main

import (
	"context"

	"bootes.dev/internal/api"
	"bootes.dev/internal/diskimage"
	"bootes.dev/internal/storage"
)

type streams struct{ *house }

// openDisk opens what the API names a disk.
func (h *house) openDisk(ctx context.Context, d api.Disk) (*storage.Disk, error) {
	if d.Image != "" {
		return h.storage.OpenImage(ctx, d.Image)
	}
	return h.storage.OpenState(ctx, d.Volume, d.Snapshot)
}

func (h streams) Export(ctx context.Context, job api.Export, progress func(api.Progress)) (api.Exported, error) {
	d, err := h.openDisk(ctx, job.Disk)
	if err != nil {
		return api.Exported{}, apiError(err)
	}
	defer d.Close()
	err = diskimage.Export(ctx, job.File, d, diskimage.ExportOptions{
		Format: job.Format, Name: job.Target,
		Runs:   func(fn func(off, n int64, zero bool) error) error { return d.Changes(ctx, nil, fn) },
		TmpDir: h.tmp(), Room: h.storage.RoomToCopy, Progress: step(progress, "export"),
	})
	return api.Exported{Format: job.Format, Size: d.Size()}, apiError(err)
}

func (h streams) Backup(ctx context.Context, job api.Backup, progress func(api.Progress)) (api.BackedUp, error) {
	b, err := h.storage.Backup(ctx, job.Disk.Volume, job.Disk.Snapshot, job.Since, job.To, step(progress, "backup"))
	return api.BackedUp{Volume: b.Volume, Machine: b.Machine, Snapshot: b.Snapshot, Since: job.Since}, apiError(err)
}

func (h streams) Restore(ctx context.Context, job api.Restore, progress func(api.Progress)) (api.Restored, error) {
	r, err := h.storage.Restore(ctx, job.Machine, job.From, job.Force, step(progress, "restore"))
	if err != nil {
		return api.Restored{}, apiError(err)
	}
	v, err := volumes(h).Volume(context.WithoutCancel(ctx), r.ID)
	return api.Restored{Volume: v, Lost: r.Lost}, err
}
