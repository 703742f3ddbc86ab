package main

import (
	"context"
	"slices"

	"bootes.dev/internal/api"
	"bootes.dev/internal/diagnose"
	"bootes.dev/internal/diskcheck"
)

// contents looks into a volume that its machine cannot boot, and compares what is
// found with what the volume's image has.
func (h *house) contents(ctx context.Context, volume, image string, m diskcheck.Machine) (diagnose.Contents, error) {
	v, err := h.storage.Peek(ctx, volume)
	if err != nil {
		return diagnose.Contents{}, err
	}
	c, err := diskcheck.Look(ctx, v, v.Size(), m)
	if err != nil || len(c.Findings) == 0 || image == "" {
		return c, err
	}
	of, err := h.imageContents(ctx, image, m)
	if err != nil {
		h.log.Warn("image could not be looked into", "image", image, "err", err)
		return c, nil
	}
	for i, f := range c.Findings {
		c.Findings[i].Own = !slices.Contains(of.Findings, f)
	}
	return c, nil
}

// imageContents looks into an image.
func (h *house) imageContents(ctx context.Context, image string, m diskcheck.Machine) (c diagnose.Contents, err error) {
	d, err := h.storage.OpenImage(ctx, image)
	if err != nil {
		return c, err
	}
	defer d.Close()
	return diskcheck.Look(ctx, d, d.Size(), m)
}

// CheckImage looks into an image as for a machine that does not boot it.
func (h images) CheckImage(ctx context.Context, ref, card string) (api.Checked, error) {
	i, err := h.storage.Image(ctx, ref)
	if err != nil {
		return api.Checked{}, apiError(err)
	}
	c, err := h.imageContents(ctx, ref, diskcheck.Machine{Card: card})
	if err != nil {
		return api.Checked{}, apiError(err)
	}
	out := api.Checked{Ref: i.Ref(), Good: c.Facts(), Notes: c.Notes()}
	for _, f := range c.Findings {
		out.Faults = append(out.Faults, api.ImageFault{Name: f.Name, Sure: f.Sure, Text: f.Text, Remedy: f.Remedy})
	}
	return out, nil
}
