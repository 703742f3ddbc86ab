package main

import (
	"context"
	"errors"
	"io/fs"

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

func apiPlace(p guestfs.Place) api.Place {
	return api.Place{Partition: p.Partition, System: p.System, Unclean: p.Unclean}
}

func apiFile(i guestfs.Info) api.FileEntry {
	e := api.FileEntry{
		Name: i.Name, Type: string(i.Type), Size: i.Size, Mode: unixMode(i.Mode), Modified: i.Modified, Target: i.Target,
	}
	if i.Err != nil {
		e.Error = i.Err.Error()
	}
	return e
}

// unixMode is the twelve bits that chmod sets.
func unixMode(m fs.FileMode) uint32 {
	mode := uint32(m.Perm())
	for at, bit := range map[uint32]fs.FileMode{0o4000: fs.ModeSetuid, 0o2000: fs.ModeSetgid, 0o1000: fs.ModeSticky} {
		if m&bit != 0 {
			mode |= at
		}
	}
	return mode
}

func (h files) List(ctx context.Context, f api.FileRef) (api.Listing, error) {
	d, err := h.openDisk(ctx, f.Disk)
	if err != nil {
		return api.Listing{}, apiError(err)
	}
	defer d.Close()
	l, err := guestfs.List(ctx, d, d.Size(), f.Path)
	entries, err := each(l.Entries, err, apiFile)
	return api.Listing{Place: apiPlace(l.Place), Files: entries}, err
}

func (h files) Open(ctx context.Context, f api.FileRef) (*api.Content, error) {
	d, err := h.openDisk(ctx, f.Disk)
	if err != nil {
		return nil, apiError(err)
	}
	c, err := guestfs.Open(ctx, d, d.Size(), f.Path)
	if err != nil {
		return nil, apiError(errors.Join(err, d.Close()))
	}
	return &api.Content{Place: apiPlace(c.Place), FileEntry: apiFile(c.Info), ReadCloser: openFile{c, d}}, nil
}

// openFile is an open file and the disk that it is on.
type openFile struct {
	*guestfs.Content
	disk *storage.Disk
}

func (f openFile) Close() error { return errors.Join(f.Content.Close(), f.disk.Close()) }
