package main

import (
	"context"

	"bootes.dev/internal/api"
	"bootes.dev/internal/inventory"
	"bootes.dev/internal/storage"
)

type updates struct{ *house }

func (h updates) newImage(ctx context.Context, m storage.Made, err error) (api.NewImage, error) {
	if err != nil {
		return api.NewImage{}, apiError(err)
	}
	i, err := images(h).Image(context.WithoutCancel(ctx), m.Ref())
	out := api.NewImage{Image: i, Consistent: consistent(m.Clean), IdentityOf: m.IdentityOf}
	if m.Tag.Ref != "" {
		t := apiTag(m.Tag)
		out.Moved = &t
	}
	return out, err
}

func (h updates) Commit(ctx context.Context, volume string, c api.Commit) (api.NewImage, error) {
	m, err := h.storage.Commit(ctx, volume, c.Snapshot, c.Ref, c.Tag)
	return h.newImage(ctx, m, err)
}

func (h updates) Publish(ctx context.Context, machine string, p api.Publish) (api.NewImage, error) {
	m, err := h.storage.Publish(ctx, machine, p.Ref, p.Tag, p.Running)
	return h.newImage(ctx, m, err)
}

func (h updates) StartUpdate(ctx context.Context, machine, image string) (api.Update, error) {
	v, err := h.storage.BeginUpdate(ctx, machine, image)
	return api.Update{Machine: machine, Image: v.Image, Volume: v.ID, Started: v.Created}, apiError(err)
}

func (h updates) CancelUpdate(ctx context.Context, machine string) (api.Update, error) {
	m, err := machines(h).Machine(ctx, machine)
	if err != nil {
		return api.Update{}, err
	}
	if m.Update == nil {
		return api.Update{}, apiError(&inventory.UpdateError{Machine: machine})
	}
	return *m.Update, apiError(h.storage.CancelUpdate(ctx, machine))
}
