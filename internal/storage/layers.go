package storage

import (
	"context"
	"errors"
	"fmt"

	"bootes.dev/internal/bytesize"
	"bootes.dev/internal/cow"
	"bootes.dev/internal/inventory"
)

// Line is one layer of the chain that an image is read through.
type Line struct {
	cow.LayerInfo
	Images   []string // that this layer is
	Snapshot string   // VOLUME@NAME of one that this layer is; "": of none
	Volume   string   // of that
}

// History is the chain of what ref means now, the image's own layer first.
func (s *Storage) History(ctx context.Context, ref string) ([]Line, error) {
	img, err := s.inv.Resolve(ctx, ref)
	if err != nil {
		return nil, err
	}
	chain, err := s.eng.History(img.Layer)
	if err != nil {
		return nil, fmt.Errorf("look at the layers of image %q: %w", img.Ref(), err)
	}
	images, err := s.inv.Images(ctx)
	if err != nil {
		return nil, err
	}
	named := map[string][]string{}
	for _, i := range images {
		named[i.Layer] = append(named[i.Layer], i.Ref())
	}
	lines := make([]Line, 0, len(chain))
	for _, l := range chain {
		lines = append(lines, Line{LayerInfo: l, Images: named[l.ID]})
	}
	for _, v := range s.eng.Volumes() {
		for _, snap := range v.Snapshots {
			for i := range lines {
				if lines[i].ID == snap.Layer && lines[i].Snapshot == "" {
					lines[i].Snapshot, lines[i].Volume = v.ID+"@"+snap.Name, v.ID
				}
			}
		}
	}
	return lines, nil
}

// Verified is what came of reading all of an image.
type Verified struct {
	inventory.Image
	Bad []cow.BadChunk // none: it is good
}

// ChunkSize is what one hash covers, in bytes.
const ChunkSize = 1 << 20

// VerifyImage reads all of what ref means now and compares it with its hashes.
// What is wrong is in the result and in the log, with the layers whose files
// hold it.
func (s *Storage) VerifyImage(ctx context.Context, ref string, progress func(done, total int64)) (Verified, error) {
	d, err := s.OpenImage(ctx, ref)
	if err != nil {
		return Verified{}, err
	}
	defer d.Close()
	v := Verified{Image: d.Image}
	err = s.eng.VerifyLayer(ctx, d.Image.Layer, told(progress))
	var bad *cow.VerifyError
	if errors.As(err, &bad) {
		v.Bad = bad.Bad
		s.log.Error("image is damaged", "image", d.Image.Ref(), "places", len(bad.Bad), "first", bad.Bad[0].Off, "layers", bad.Bad[0].Layers)
		return v, nil
	}
	if err != nil {
		return v, fmt.Errorf("verify image %q: %w", d.Image.Ref(), err)
	}
	if img, err := s.inv.Image(context.WithoutCancel(ctx), v.Ref()); err == nil {
		v.Image = img // with the digest, if that was made first
	}
	return v, nil
}

// FlattenImage merges what lies below what ref means now, so that it needs no
// other image. Machines may run meanwhile.
func (s *Storage) FlattenImage(ctx context.Context, ref string, progress func(done, total int64)) (inventory.Image, error) {
	d, err := s.OpenImage(ctx, ref)
	if err != nil {
		return inventory.Image{}, err
	}
	defer d.Close()
	chain, err := s.eng.History(d.Image.Layer)
	if err != nil || len(chain) == 1 {
		return d.Image, err
	}
	merged := merge(chain[1:])
	if err := s.checkRoom(d.Image.Size, merged, 1); err != nil {
		return d.Image, err
	}
	if err := s.eng.FlattenLayer(ctx, d.Image.Layer, told(progress)); err != nil {
		return d.Image, fmt.Errorf("flatten image %q: %w", d.Image.Ref(), s.explain(err, merged))
	}
	return d.Image, nil
}

// merge is how many bytes of blocks the layers have together at most.
func merge(layers []cow.LayerInfo) (n int64) {
	for _, l := range layers {
		n += l.Own
	}
	return min(n, layers[0].Size)
}

// LimitError refuses what would bring a volume beyond its limit.
type LimitError struct {
	Volume       string
	Holds, Limit int64 // bytes of its own that it would have, and that it may have
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("volume %q would hold up to %s of its own, and its limit is %s: raise that first with `bootes volume set %s --limit SIZE`",
		e.Volume, bytesize.Format(e.Holds), bytesize.Format(e.Limit), e.Volume)
}

// FlattenVolume merges what a volume stands on into a layer of its own, so that
// it needs no image. Its machine may run meanwhile. What is copied counts for
// its limit.
func (s *Storage) FlattenVolume(ctx context.Context, id string, progress func(done, total int64)) error {
	info, err := s.volumeInfo(ctx, id)
	if err != nil || info.Base == "" {
		return err
	}
	chain, err := s.eng.History(info.Base)
	if err != nil {
		return err
	}
	merged := merge(chain)
	if holds := info.Own + merged; info.Limit > 0 && holds > info.Limit {
		return &LimitError{Volume: id, Holds: holds, Limit: info.Limit}
	}
	if err := s.checkRoom(info.Size, merged, 1); err != nil {
		return err
	}
	return s.explain(s.eng.FlattenVolume(ctx, id, told(progress)), merged)
}
