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
	if _, _, err := ParseRef(i.Ref()); err != nil {
		return i, err
	}
	i.Created = in.now().UTC()
	return i, in.s.Update(ctx, func(tx *store.Tx) error {
		_, err := in.images.In(tx).Get(i.Ref())
		if err == nil {
			return imageExists(i.Ref())
		}
		if !errors.Is(err, store.ErrNotFound) {
			return err
		}
		return in.images.In(tx).Put(i.Ref(), i)
	})
}

// CheckNewImage says beforehand what AddImage would refuse.
func (in *Inventory) CheckNewImage(ctx context.Context, ref string) error {
	if _, _, err := ParseRef(ref); err != nil {
		return err
	}
	_, err := in.images.Get(ctx, ref)
	if err == nil {
		return imageExists(ref)
	}
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}

func imageExists(ref string) error {
	return &ExistsError{Kind: "image", Name: ref, Remedy: "choose another tag, or remove it first with `bootes image rm " + ref + "`"}
}

// RemoveImage removes the record of an image that no machine and no volume
// names, and notes that its layer is to be removed, unless another image is
// the same layer. It returns the image.
func (in *Inventory) RemoveImage(ctx context.Context, ref string) (Image, error) {
	var img Image
	err := in.s.Update(ctx, func(tx *store.Tx) (err error) {
		if img, err = lookup(in.images.In(tx), "image", ref, true); err != nil {
			return err
		}
		users, err := in.usersOf(tx, ref)
		if err != nil {
			return err
		}
		if len(users) > 0 {
			return &InUseError{Kind: "image", Name: ref, By: users, Remedy: "give those machines another image with `bootes machine set`, and remove those volumes, first"}
		}
		in.images.In(tx).Delete(ref)
		return in.noteLayer(tx, img.Layer)
	})
	return img, err
}

func (in *Inventory) usersOf(tx *store.Tx, ref string) (users []string, err error) {
	machines, err := in.machines.In(tx).List()
	if err != nil {
		return nil, err
	}
	for _, m := range machines {
		if m.Value.Image == ref {
			users = append(users, "machine "+m.Key)
		}
	}
	volumes, err := in.volumes.In(tx).List()
	if err != nil {
		return nil, err
	}
	for _, v := range volumes {
		if v.Value.Image == ref {
			users = append(users, "volume "+v.Key)
		}
	}
	return users, nil
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
