package storage

import (
	"errors"
	"testing"

	"bootes.dev/internal/inventory"
)

// TestReplacementCutShort: the process died between the content of a volume and
// its record, or before either. No layer tells where the content takes its
// identity from, nor how large its blocks are.
func TestReplacementCutShort(t *testing.T) {
	killed := errors.New("killed")
	for _, c := range []struct {
		replaced bool
		found    string
	}{
		{true, "was replaced, and its record says so now"},
		{false, "was to be replaced, and is what it was"},
	} {
		x, v := newPC1(t)
		ctx := t.Context()
		img := x.importImage("other:1", random(diskSize, 2))
		was := x.record(v.ID)
		becomes := func(v *inventory.Volume) {
			standOn(v, img)
			v.Identity, v.BlockSize = !was.Identity, 4096
		}
		err := x.rebase(ctx, v.ID, img.Layer, becomes, func() error {
			if c.replaced {
				if err := x.eng.SetBase(v.ID, img.Layer); err != nil {
					return err
				}
			}
			return killed
		})
		if !errors.Is(err, killed) {
			t.Fatal(err)
		}
		x.restart()
		x.reconcile("the content of volume " + v.ID + " of machine pc1 " + c.found)
		now, want := x.record(v.ID), was
		if c.replaced {
			becomes(&want)
		}
		if now.Image != want.Image || now.Layer != want.Layer || now.Identity != want.Identity || now.BlockSize != want.BlockSize || now.Next != nil {
			t.Errorf("%+v, want %+v", now, want)
		}
		x.restart()
		x.reconcile()
	}
}
