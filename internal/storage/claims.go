package storage

import (
	"context"
	"sync"

	"bootes.dev/internal/inventory"
)

// claims are the names that somebody is making an image or a tag of. A layer is
// kept before its image is on record: no other may take the name meanwhile.
type claims struct {
	mu    sync.Mutex
	names map[string]bool
}

// add claims names until the returned function is called; "" is none.
func (c *claims) add(names ...string) (release func(), err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, n := range names {
		if c.names[n] {
			return nil, &inventory.InUseError{Kind: "name", Name: n, By: []string{"another command, which makes an image or a tag of this name"}, Remedy: "wait until that has ended"}
		}
	}
	if c.names == nil {
		c.names = map[string]bool{}
	}
	for _, n := range names {
		c.names[n] = n != ""
	}
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, n := range names {
			delete(c.names, n)
		}
	}, nil
}

// SetTag makes the tag ref point to an image, from wherever it pointed.
func (s *Storage) SetTag(ctx context.Context, ref, image string) (inventory.Tag, error) {
	release, err := s.claims.add(ref)
	if err != nil {
		return inventory.Tag{}, err
	}
	defer release()
	return s.inv.SetTag(ctx, ref, image)
}

// newImage claims the names of an image and of its tag, "" for none, that nobody
// has.
func (s *Storage) newImage(ctx context.Context, ref, tag string) (release func(), err error) {
	if err := s.inv.CheckPublish(ctx, ref, tag); err != nil {
		return nil, err
	}
	if release, err = s.claims.add(ref, tag); err != nil {
		return nil, err
	}
	// Again: whoever had claimed them may have used them since.
	if err := s.inv.CheckPublish(ctx, ref, tag); err != nil {
		release()
		return nil, err
	}
	return release, nil
}
