package main

import (
	"context"

	"bootes.dev/internal/api"
)

type space struct{ *house }

func (h space) Space(ctx context.Context) (api.Space, error) {
	o, err := h.storage.Space(ctx)
	if err != nil {
		return api.Space{}, apiError(err)
	}
	out := api.Space{
		Dir: o.Dir, Capacity: o.Capacity, Free: o.Free, MinFree: o.MinFree, Freeing: o.Freeing, TotalOwn: o.Total,
	}
	for _, i := range o.Images {
		out.Images = append(out.Images, api.ImageSpace{Ref: i.Ref(), Virtual: i.Virtual, Own: i.Own, Shared: i.Shared})
	}
	for _, v := range o.Volumes {
		out.Volumes = append(out.Volumes, api.VolumeSpace{
			ID: v.ID, Machine: v.Machine, Virtual: v.Virtual, Own: v.Own, Shared: v.Shared, Limit: v.Limit,
		})
	}
	return out, nil
}
