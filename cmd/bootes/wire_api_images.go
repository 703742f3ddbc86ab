package main

import (
	"cmp"
	"context"
	"path/filepath"
	"strings"

	"bootes.dev/internal/api"
	"bootes.dev/internal/diskimage"
	"bootes.dev/internal/inventory"
	"bootes.dev/internal/storage"
)

type images struct{ *house }

func apiImage(i storage.ImageInfo) api.Image {
	return api.Image{
		Ref: i.Ref(), Digest: i.Digest, Layer: i.Image.Layer, Size: i.Size, Stored: i.Stored, Own: i.Own,
		Parent: i.Parent, Depth: i.Layer.Depth, Tags: i.Tags, Hashed: i.Digest != "",
		Source: i.Source, Identity: i.Identity, Kind: cmp.Or(i.Kind, api.DiskImage), Created: i.Created,
	}
}

func (h images) Images(ctx context.Context) ([]api.Image, error) {
	all, err := h.storage.Images(ctx)
	return each(all, err, apiImage)
}

func (h images) Image(ctx context.Context, ref string) (api.Image, error) {
	i, err := h.storage.Image(ctx, ref)
	if err != nil {
		return api.Image{}, apiError(err)
	}
	return apiImage(i), nil
}

// made is an image as it is now that something was done to it.
func (h images) made(ctx context.Context, i inventory.Image, err error) (api.Image, error) {
	if err != nil {
		return api.Image{}, apiError(err)
	}
	return h.Image(context.WithoutCancel(ctx), i.Ref())
}

func (h images) ImportImage(ctx context.Context, job api.Import, progress func(api.Progress)) (api.Image, error) {
	if err := h.inv.CheckNewImage(ctx, job.Ref); err != nil {
		return api.Image{}, apiError(err)
	}
	if job.Base != "" {
		if _, err := h.inv.Resolve(ctx, job.Base); err != nil {
			return api.Image{}, apiError(err)
		}
	}
	src, err := diskimage.Open(ctx, job.Path, diskimage.Options{
		File: job.File, TmpDir: h.tmp(), Room: h.storage.RoomToConvert, Progress: step(progress, "convert"),
	})
	if err != nil {
		return api.Image{}, apiError(err)
	}
	defer src.Close()
	meta := storage.Meta{Source: job.Source, Identity: job.Identity, Base: job.Base}
	if job.CDROM {
		meta.Kind = inventory.CDROM
	}
	i, err := h.storage.ImportImage(ctx, job.Ref, src, meta, step(progress, "import"))
	return h.made(ctx, i, err)
}

// tmp is the folder for copies in other formats.
func (h *house) tmp() string { return filepath.Join(h.cfg.Data, "tmp") }

func (h images) RemoveImage(ctx context.Context, ref string) error {
	if err := h.storage.RemoveImage(ctx, ref); err != nil {
		return apiError(err)
	}
	h.sweepTraces(ctx)
	return nil
}

func (h images) History(ctx context.Context, ref string) ([]api.HistoryLine, error) {
	lines, err := h.storage.History(ctx, ref)
	return each(lines, err, func(l storage.Line) api.HistoryLine {
		return api.HistoryLine{
			Layer: l.ID, Image: strings.Join(l.Images, ", "), SnapshotOf: l.Volume,
			Own: l.Own, Stored: l.Stored, Size: l.Size, Created: l.Created,
		}
	})
}

func (h images) VerifyImage(ctx context.Context, ref string, progress func(api.Progress)) (api.Verified, error) {
	v, err := h.storage.VerifyImage(ctx, ref, step(progress, "verify"))
	if err != nil {
		return api.Verified{}, apiError(err)
	}
	out := api.Verified{Ref: v.Ref(), Digest: v.Digest, Size: v.Size}
	for _, b := range v.Bad {
		out.Bad = append(out.Bad, api.BadRange{Offset: b.Off, Length: min(storage.ChunkSize, v.Size-b.Off), Layers: b.Layers})
	}
	return out, nil
}

func (h images) FlattenImage(ctx context.Context, ref string, progress func(api.Progress)) (api.Image, error) {
	i, err := h.storage.FlattenImage(ctx, ref, step(progress, "flatten"))
	return h.made(ctx, i, err)
}
