package main

import (
	"context"

	"bootes.dev/internal/metrics"
)

func (h *house) newMetrics() *metrics.Server {
	return metrics.New(metrics.Options{
		Storage: figures{h}, Refused: h.targets.RefusedLogins, IO: h.io, Room: h.room, Traffic: h.traffic,
		Counters: h.counters, Version: version(), Log: h.log,
	})
}

// figures are what `bootes df` shows, for Prometheus.
type figures struct{ *house }

func (h figures) Usage(ctx context.Context) (metrics.Usage, error) {
	o, err := h.storage.Space(ctx)
	if err != nil {
		return metrics.Usage{}, err
	}
	u := metrics.Usage{Free: o.Free, Reserve: o.MinFree, Freeing: o.Freeing, NearlyFull: o.NearlyFull}
	for _, i := range o.Images {
		u.Images = append(u.Images, metrics.Image{Name: i.Ref(), Virtual: i.Virtual, Own: i.Own})
	}
	for _, v := range o.Volumes {
		if v.Virtual == 0 {
			continue // it cannot be read, and zeros would say that all is well
		}
		u.Volumes = append(u.Volumes, metrics.Volume{
			ID: v.ID, Machine: v.Machine, Mode: string(v.Mode), Size: v.Virtual, Used: v.Used, Limit: v.Limit, Own: v.Own,
			Open: v.Open, NearlyFull: v.NearlyFull, Warnings: v.Warnings,
		})
	}
	return u, nil
}
