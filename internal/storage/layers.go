package storage

import (
	"context"
	"errors"
	"fmt"
	"strings"

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
	if v.Bad, err = s.damage(d.Image.Ref(), err); err != nil {
		return v, fmt.Errorf("verify image %q: %w", d.Image.Ref(), err)
	}
	if img, err := s.inv.Image(context.WithoutCancel(ctx), v.Ref()); err == nil {
		v.Image = img // with the digest, if that was made first
	}
	return v, nil
}

// damage is what VerifyLayer's error names, which goes to the log; other errors
// are returned.
func (s *Storage) damage(image string, err error) ([]cow.BadChunk, error) {
	var e *cow.VerifyError
	if !errors.As(err, &e) {
		return nil, err
	}
	s.log.Error("image is damaged", "image", image, "places", len(e.Bad), "first", e.Bad[0].Off, "layers", e.Bad[0].Layers)
	return e.Bad, nil
}

// CheckLayer compares what an image's layer is the top of with its hashes, when
// nobody waits for it: see cow.Engine.CheckLayer. It says what is not as it was
// made, "" if all is. Without hashes, which are made soon after the image, nothing
// can be said.
func (s *Storage) CheckLayer(ctx context.Context, layer string) (damage string, err error) {
	l, err := s.eng.Layer(layer)
	if err != nil {
		return "", err
	}
	if l.Digest == "" {
		return "", fmt.Errorf("layer %q has no hashes yet", layer)
	}
	images, err := s.inv.Images(ctx)
	if err != nil {
		return "", err
	}
	ref := layer // of an image that has no name any more
	for _, i := range images {
		if i.Layer == layer {
			ref = i.Ref()
		}
	}
	defer s.readers.add(layer)()
	bad, err := s.damage(ref, s.eng.CheckLayer(ctx, layer))
	if err != nil || len(bad) == 0 {
		return "", err
	}
	return fmt.Sprintf("%d of %d MiB changed since it was made, the first at %d MiB, in the files of layer %s",
		len(bad), (l.Size+ChunkSize-1)/ChunkSize, bad[0].Off/ChunkSize, strings.Join(bad[0].Layers, " or ")), nil
}
