package storage

import (
	"context"
	"errors"
	"sync"

	"bootes.dev/internal/cow"
	"bootes.dev/internal/inventory"
)

// RemoveImage removes an image that nothing needs. The error names all who do,
// and what helps.
func (s *Storage) RemoveImage(ctx context.Context, ref string) error {
	s.names.Lock()
	defer s.names.Unlock()
	if _, err := s.inv.Image(ctx, ref); missing(err) {
		if layer, stray := s.strays.LoadAndDelete(ref); stray {
			return s.removeStray(layer.(string))
		}
	}
	also, err := s.builtOn(ctx, ref)
	if err != nil {
		return err
	}
	if img, err := s.inv.Image(ctx, ref); err == nil && s.readers.of(img.Layer) > 0 {
		return &inventory.InUseError{Kind: "image", Name: ref, By: []string{"a command that reads it, such as `bootes image export`"}, Remedy: "wait until that has ended"}
	}
	img, err := s.inv.RemoveImage(ctx, ref, also)
	if err != nil {
		return err
	}
	return s.finishImage(ctx, img)
}

// strayPrefix and the ID are what RemoveImage knows a layer by that Reconcile
// found without an image. Of the layers that came since it knows nothing: their
// images may be about to be put on record.
const strayPrefix = "layer:"

func (s *Storage) removeStray(id string) error {
	err := s.eng.RemoveLayer(id)
	if err == nil || errors.Is(err, cow.ErrNotExist) {
		return nil
	}
	s.strays.Store(strayPrefix+id, id)
	return err
}

// finishImage removes the layer, unless another image is the same one.
func (s *Storage) finishImage(ctx context.Context, img inventory.Image) error {
	removals, err := s.inv.Removals(ctx)
	if err != nil {
		return err
	}
	for _, r := range removals {
		if r.Kind == inventory.RemoveLayer && r.ID == img.Layer {
			return s.finish(ctx, r)
		}
	}
	return nil
}

// builtOn are those whose layers stand on that of an image. Nobody needs an
// image whose layer another image has, too.
func (s *Storage) builtOn(ctx context.Context, ref string) (u inventory.Users, err error) {
	images, err := s.inv.Images(ctx)
	if err != nil {
		return u, err
	}
	layer, twins := "", map[string]int{}
	for _, i := range images {
		twins[i.Layer]++
		if i.Ref() == ref {
			layer = i.Layer
		}
	}
	if layer == "" || twins[layer] > 1 {
		return u, nil
	}
	l := s.lineage()
	for _, i := range images {
		if i.Layer != layer && l.on(i.Layer, layer) {
			u.Images = append(u.Images, i.Ref())
		}
	}
	for _, v := range s.eng.Volumes() {
		if l.on(v.Base, layer) {
			u.Disks = append(u.Disks, v.ID)
		}
		for _, snap := range v.Snapshots {
			if l.on(snap.Layer, layer) {
				u.Snapshots = append(u.Snapshots, v.ID+"@"+snap.Name)
			}
		}
	}
	u.Images = append(u.Images, s.pins.on(l, layer)...)
	return u, nil
}

// lineage is the parent of each layer.
type lineage map[string]string

func (s *Storage) lineage() lineage {
	l := lineage{}
	for _, info := range s.eng.Layers() {
		l[info.ID] = info.Parent
	}
	return l
}

// on reports whether layer is below, or stands on it.
func (l lineage) on(layer, below string) bool {
	for range len(l) + 1 { // a circle of damaged layers ends
		if layer == below || layer == "" {
			return layer == below
		}
		layer = l[layer]
	}
	return false
}

// pins are the images in the making, by the layers that they will stand on.
type pins struct {
	mu    sync.Mutex
	under map[string][]string // layer → refs
}

// add notes that ref will stand on layer, until the returned function is called.
func (p *pins) add(ref, layer string) func() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.under == nil {
		p.under = map[string][]string{}
	}
	p.under[layer] = append(p.under[layer], ref)
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		for i, r := range p.under[layer] {
			if r == ref {
				p.under[layer] = append(p.under[layer][:i], p.under[layer][i+1:]...)
				break
			}
		}
	}
}

// on are the images in the making on layers that stand on layer.
func (p *pins) on(l lineage, layer string) (refs []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for on, r := range p.under {
		if l.on(on, layer) {
			refs = append(refs, r...)
		}
	}
	return refs
}
