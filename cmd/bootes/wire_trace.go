package main

import (
	"context"
	"errors"
	"io/fs"

	"bootes.dev/internal/api"
	"bootes.dev/internal/trace"
)

// sweepTraces forgets the traces of images that are gone.
func (h *house) sweepTraces(ctx context.Context) {
	images, err := h.inv.Images(ctx)
	if err == nil {
		kept := map[string]bool{}
		for _, i := range images {
			kept[i.Layer] = true
		}
		err = h.traces.Sweep(func(layer string) bool { return kept[layer] })
	}
	if err != nil {
		h.log.Error("boot traces of removed images are left", "err", err)
	}
}

// Trace makes images an api.Traces.
func (h images) Trace(ctx context.Context, ref string) (api.Trace, error) {
	i, err := h.storage.Image(ctx, ref)
	if err != nil {
		return api.Trace{}, apiError(err)
	}
	t, err := h.traces.Load(i.Image.Layer)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return api.Trace{}, api.Errorf(api.NotFound, "no boot of image %q was recorded yet: that is done when a machine boots a disk which is new, as an ephemeral one's is each time; "+
			"`bootes machine set MACHINE --ephemeral` makes it so", i.Ref())
	case err != nil:
		return api.Trace{}, apiError(err)
	}
	t.Image = i.Ref() // one layer may have had another name
	return apiTrace(t), nil
}

func apiTrace(t *trace.Trace) api.Trace {
	a := api.Trace{
		Image: t.Image, Machine: t.Machine, Began: t.Began, Size: t.Size, Bytes: t.Bytes(), Distinct: t.Distinct(),
		TookUS: t.Took().Microseconds(), Cut: t.Cut, Reads: make([]api.TraceRead, len(t.Reads)),
	}
	for _, m := range t.Marks {
		a.Marks = append(a.Marks, api.TraceMark{AtUS: m.At.Microseconds(), Text: m.Text})
	}
	for i, r := range t.Reads {
		a.Reads[i] = api.TraceRead{AtUS: r.At.Microseconds(), Offset: r.Offset, Length: r.Length}
	}
	return a
}
