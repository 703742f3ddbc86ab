package main

import (
	"context"
	"errors"
	"io"

	"bootes.dev/internal/api"
	"bootes.dev/internal/guestfs"
	"bootes.dev/internal/storage"
)

type files struct{ *house }

func (h files) Diff(ctx context.Context, d api.Disk) (api.Diff, error) {
	diff, err := h.storage.Diff(ctx, d.Volume, d.Snapshot)
	if err != nil {
		return api.Diff{}, apiError(err)
	}
	out := api.Diff{Volume: d.Volume, Snapshot: d.Snapshot, Against: diff.Against, Changed: diff.Changed, Zeroed: diff.Zeroed}
	for _, p := range diff.Partitions {
		out.Partitions = append(out.Partitions, api.DiffPartition{
			Number: p.Number, Name: p.Name, Type: p.Type, Start: p.Start, Size: p.Size, Changed: p.Changed, Zeroed: p.Zeroed,
		})
	}
	return out, nil
}

func apiFile(i guestfs.Info) api.FileEntry {
	return api.FileEntry{
		Name: i.Name, Type: string(i.Type), Size: i.Size, Mode: uint32(i.Mode.Perm()), Modified: i.Modified, Target: i.Target,
	}
}

func (h files) List(ctx context.Context, f api.FileRef) ([]api.FileEntry, error) {
	d, err := h.openDisk(ctx, f.Disk)
	if err != nil {
		return nil, apiError(err)
	}
	defer d.Close()
	l, err := guestfs.List(ctx, d, d.Size(), f.Path)
	return each(l.Entries, err, apiFile)
}

func (h files) Open(ctx context.Context, f api.FileRef) (api.FileEntry, io.ReadCloser, error) {
	d, err := h.openDisk(ctx, f.Disk)
	if err != nil {
		return api.FileEntry{}, nil, apiError(err)
	}
	c, err := guestfs.Open(ctx, d, d.Size(), f.Path)
	if err != nil {
		return api.FileEntry{}, nil, apiError(errors.Join(err, d.Close()))
	}
	return apiFile(c.Info), openFile{c, d}, nil
}

// openFile is an open file and the disk that it is on.
type openFile struct {
	*guestfs.Content
	disk *storage.Disk
}

func (f openFile) Close() error { return errors.Join(f.Content.Close(), f.disk.Close()) }
