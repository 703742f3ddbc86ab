package main

import (
	"context"

	"bootes.dev/internal/cow"
)

// hashed records what the engine has found out.
func (h *house) hashed(l cow.LayerInfo) {
	if s := h.hashes.Load(); s != nil {
		s.Hashed(context.Background(), l.ID, l.Digest)
	}
}
