package targets

import (
	"context"

	"bootes.dev/internal/boot"
	"bootes.dev/internal/inventory"
	"bootes.dev/internal/iscsi"
	"bootes.dev/internal/trace"
)

// watch has a boot from a fresh clone recorded, unless another machine's of the
// same image is.
func (g *gate) watch(ctx context.Context, ad *boot.Admitted, v inventory.Volume) func(offset, length int64) bool {
	if v.Image == "" {
		return nil
	}
	i, err := g.Inventory.Image(ctx, v.Image)
	if err != nil {
		g.Log.Error("boot is not recorded", "machine", ad.Machine.Name, "err", err)
		return nil
	}
	r := g.Traces.Begin(ad.Boot.ID, trace.Trace{Image: i.Ref(), Layer: i.Layer, Machine: ad.Machine.Name, Size: i.Size})
	if r == nil {
		return nil
	}
	return r.Read
}

// trace notes the steps of a boot in what is recorded of its reads.
func (s *sessions) trace(e iscsi.Event) {
	switch {
	case e.Kind == iscsi.LoggedIn && !e.Session.FromIPXE():
		s.traces.Mark(e.Session.Owner, "the system logs in")
	case e.Kind == iscsi.FirstWrite:
		s.traces.Runs(e.Session.Owner)
	}
}
