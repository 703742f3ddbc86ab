package main

import (
	"context"

	"bootes.dev/internal/api"
	"bootes.dev/internal/inventory"
)

type tags struct{ *house }

func apiTag(t inventory.Tag) api.Tag {
	return api.Tag{Ref: t.Ref, Image: t.Image, Previous: t.Previous, Moved: t.Moved}
}

func (h tags) Tags(ctx context.Context) ([]api.Tag, error) {
	all, err := h.inv.Tags(ctx)
	return each(all, err, apiTag)
}

func (h tags) SetTag(ctx context.Context, ref, image string) (api.Tag, error) {
	t, err := h.storage.SetTag(ctx, ref, image)
	return apiTag(t), apiError(err)
}

func (h tags) RemoveTag(ctx context.Context, ref string) error {
	return apiError(h.inv.RemoveTag(ctx, ref))
}
