package inventory

import (
	"context"
	"errors"
	"slices"

	"bootes.dev/internal/store"
)

// SetTag makes the tag ref point to an image, from wherever it pointed. Machines
// that name it follow as package boot says. Where image is a tag itself, what
// that points to now is meant.
func (in *Inventory) SetTag(ctx context.Context, ref, image string) (Tag, error) {
	var t Tag
	err := in.s.Update(ctx, func(tx *store.Tx) (err error) {
		t, err = in.setTag(tx, ref, image)
		return err
	})
	return t, err
}

func (in *Inventory) setTag(tx *store.Tx, ref, image string) (Tag, error) {
	if err := in.checkTag(tx, ref); err != nil {
		return Tag{}, err
	}
	to, err := in.resolve(tx, image)
	if err != nil {
		return Tag{}, err
	}
	t, err := absentIsZero(in.tags.In(tx).Get(ref))
	if err != nil || t.Image == to.Ref() {
		return t, err
	}
	t = Tag{Ref: ref, Image: to.Ref(), Previous: t.Image, Moved: in.now().UTC()}
	return t, in.tags.In(tx).Put(ref, t)
}

// checkTag refuses names that a tag may not have.
func (in *Inventory) checkTag(tx *store.Tx, ref string) error {
	if _, _, err := ParseRef(ref); err != nil {
		return &InvalidError{What: "tag", Value: ref, Want: `write it as name:tag, such as "debian:stable"`}
	}
	_, err := in.images.In(tx).Get(ref)
	switch {
	case err == nil:
		return &ExistsError{Kind: "image", Name: ref, Remedy: `what machines boot never changes under an image's name: give the tag a name of its own, such as "debian:stable"`}
	case errors.Is(err, store.ErrNotFound):
		return nil
	}
	return err
}

// RemoveTag removes a tag that no machine and no volume names. The image that it
// points to stays.
func (in *Inventory) RemoveTag(ctx context.Context, ref string) error {
	return in.s.Update(ctx, func(tx *store.Tx) error {
		t, err := lookup(in.tags.In(tx), "tag", ref, true)
		if err != nil {
			return err
		}
		users, err := in.usersOf(tx, ref)
		if err != nil {
			return err
		}
		if err := users.refuse("tag", ref, t.Image); err != nil {
			return err
		}
		in.tags.In(tx).Delete(ref)
		return nil
	})
}

// Tags are all tags in the order of their names.
func (in *Inventory) Tags(ctx context.Context) ([]Tag, error) {
	return values(in.tags.List(ctx))
}

// Tag is one tag by name:tag.
func (in *Inventory) Tag(ctx context.Context, ref string) (Tag, error) {
	return find(ctx, in.tags, "tag", ref, true)
}

// Resolve is the image that ref means now: the image of that name, or the one
// that the tag of that name points to.
func (in *Inventory) Resolve(ctx context.Context, ref string) (Image, error) {
	var i Image
	err := in.s.Update(ctx, func(tx *store.Tx) (err error) {
		i, err = in.resolve(tx, ref)
		return err
	})
	return i, err
}

func (in *Inventory) resolve(tx *store.Tx, ref string) (Image, error) {
	i, err := in.images.In(tx).Get(ref)
	if !errors.Is(err, store.ErrNotFound) {
		return i, err
	}
	t, err := in.tags.In(tx).Get(ref)
	if err == nil {
		return lookup(in.images.In(tx), "image", t.Image, true)
	}
	if !errors.Is(err, store.ErrNotFound) {
		return i, err
	}
	missing := &NotFoundError{Kind: "image", Name: ref}
	missing.Known, err = in.refs(tx)
	if err != nil {
		return i, err
	}
	return i, missing
}

// refs are the names of all images and tags.
func (in *Inventory) refs(tx *store.Tx) ([]string, error) {
	images, err := in.images.In(tx).List()
	if err != nil {
		return nil, err
	}
	tags, err := in.tags.In(tx).List()
	if err != nil {
		return nil, err
	}
	all := append(keys(images), keys(tags)...)
	slices.Sort(all)
	return all, nil
}

// Names are all images and tags at one moment.
type Names struct {
	images map[string]bool
	tags   map[string]string // → image
}

// Names reads them.
func (in *Inventory) Names(ctx context.Context) (Names, error) {
	n := Names{images: map[string]bool{}, tags: map[string]string{}}
	err := in.s.Update(ctx, func(tx *store.Tx) error {
		images, err := in.images.In(tx).List()
		if err != nil {
			return err
		}
		for _, i := range images {
			n.images[i.Key] = true
		}
		tags, err := in.tags.In(tx).List()
		for _, t := range tags {
			n.tags[t.Key] = t.Value.Image
		}
		return err
	})
	return n, err
}

// Has reports whether ref is an image or a tag.
func (n Names) Has(ref string) bool { return n.images[ref] || n.tags[ref] != "" }

// Tags are those that point to an image.
func (n Names) Tags(image string) (tags []string) {
	for t, i := range n.tags {
		if i == image {
			tags = append(tags, t)
		}
	}
	slices.Sort(tags)
	return tags
}

// Newer is the image that a machine would get now in place of the one that its
// volume v stands on: the tag has been moved since, or the machine was given
// another name. "" when it is the same, or there is none, or nobody knows what v
// stands on, or the machine gets it at its next boot anyway.
func (n Names) Newer(v Volume) string {
	now := v.Ref
	if i, ok := n.tags[v.Ref]; ok {
		now = i
	}
	if v.Mode != Persistent || v.Image == "" || now == v.Image || !n.images[now] {
		return ""
	}
	return now
}
