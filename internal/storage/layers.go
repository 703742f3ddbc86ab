package storage

import (
	"context"
	"errors"
	"fmt"

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
