package inventory

import (
	"context"
	"errors"

	"bootes.dev/internal/store"
)

// AddImage records an image whose layer is sealed on disk. A name:tag that
// exists is refused with *ExistsError: what machines boot never changes under
// a name that they know.
func (in *Inventory) AddImage(ctx context.Context, i Image) (Image, error) {
	i.Created = in.now().UTC()
	return i, in.s.Update(ctx, func(tx *store.Tx) error { return in.putImage(tx, i) })
}

func (in *Inventory) putImage(tx *store.Tx, i Image) error {
	if err := in.checkNewImage(tx, i.Ref()); err != nil {
		return err
	}
	return in.images.In(tx).Put(i.Ref(), i)
}

// CheckNewImage says beforehand what AddImage would refuse.
func (in *Inventory) CheckNewImage(ctx context.Context, ref string) error {
	return in.s.Update(ctx, func(tx *store.Tx) error { return in.checkNewImage(tx, ref) })
}

func (in *Inventory) checkNewImage(tx *store.Tx, ref string) error {
	if _, _, err := ParseRef(ref); err != nil {
		return err
	}
	_, err := in.images.In(tx).Get(ref)
	if err == nil {
		return &ExistsError{Kind: "image", Name: ref, Remedy: "choose another tag, or remove it first with `bootes image rm " + ref + "`"}
	}
	if !errors.Is(err, store.ErrNotFound) {
		return err
	}
	t, err := in.tags.In(tx).Get(ref)
	if err == nil {
		return &ExistsError{Kind: "tag", Name: ref, Remedy: "it points to " + t.Image + "; give the image a name of its own, and then move the tag to it with `bootes image tag " + ref + " IMAGE`"}
	}
	if errors.Is(err, store.ErrNotFound) {
		err = nil
	}
	return err
}

// SetImageDigest records what the content of a layer has been found to be, in
// all images that are this layer.
func (in *Inventory) SetImageDigest(ctx context.Context, layer, digest string) error {
	return in.s.Update(ctx, func(tx *store.Tx) error {
		images, err := in.images.In(tx).List()
		if err != nil {
			return err
		}
		for _, r := range images {
			if i := r.Value; i.Layer == layer && i.Digest != digest {
				i.Digest = digest
				if err := in.images.In(tx).Put(r.Key, i); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// RemoveImage removes the record of an image that nothing names, and notes that
// its layer is to be removed, unless another image is the same layer. It
// returns the image. also are those who need it by what is on disk.
func (in *Inventory) RemoveImage(ctx context.Context, ref string, also Users) (Image, error) {
	var img Image
	err := in.s.Update(ctx, func(tx *store.Tx) (err error) {
		if img, err = lookup(in.images.In(tx), "image", ref, true); err != nil {
			return err
		}
		users, err := in.usersOf(tx, ref)
		if err != nil {
			return err
		}
		users.add(also)
		if err := users.refuse("image", ref, "IMAGE"); err != nil {
			return err
		}
		in.images.In(tx).Delete(ref)
		return in.noteLayer(tx, img.Layer)
	})
	return img, err
}

func (in *Inventory) noteLayer(tx *store.Tx, layer string) error {
	images, err := in.images.In(tx).List()
	if err != nil {
		return err
	}
	for _, i := range images {
		if i.Value.Layer == layer {
			return nil
		}
	}
	return in.noteRemoval(tx, Removal{Kind: RemoveLayer, ID: layer})
}

// Image is one image by name:tag.
func (in *Inventory) Image(ctx context.Context, ref string) (Image, error) {
	return find(ctx, in.images, "image", ref, true)
}

// Images are all images in the order of their names.
func (in *Inventory) Images(ctx context.Context) ([]Image, error) {
	return values(in.images.List(ctx))
}

// WatchImages is like WatchMachines.
func (in *Inventory) WatchImages(ctx context.Context, fn func([]store.Event[Image]) error) error {
	return in.images.Watch(ctx, fn)
}
