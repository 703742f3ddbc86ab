package cow

import (
	"fmt"

	"bootes.dev/internal/block"
)

// mayCopy asks whether the background may make a layer of n bytes on stop, which
// is to be the base of a volume, if one is named. What it copies stays, or goes
// afterwards.
func (e *Engine) mayCopy(volume, stop string, n int64, toStay bool) error {
	if err := e.space.spare(n, toStay); err != nil || volume == "" {
		return err
	}
	return e.wouldFit(volume, stop, n)
}

// wouldFit asks whether a volume may have a layer of n bytes on stop as its
// base.
func (e *Engine) wouldFit(volume, stop string, n int64) error {
	e.mu.Lock()
	s, err := e.volume(volume)
	if err != nil {
		e.mu.Unlock()
		return err
	}
	m := s.meta
	e.mu.Unlock()
	m.Base = stop
	return e.fitsLimit(s, &m, n)
}

// fitsLimit refuses a meta by which a volume would come to its limit, with n
// bytes that are yet to be stored.
func (e *Engine) fitsLimit(s *volumeState, m *volumeMeta, n int64) error {
	own := e.volumeInfo(s).Own
	e.mu.Lock()
	defer e.mu.Unlock()
	is, will := e.private(&s.meta)+own, e.private(m)+own+n
	if m.Limit > 0 && will > is && will > m.Limit {
		return fmt.Errorf("%d bytes would count for its limit of %d: raise that first: %w", will, m.Limit, block.ErrNoSpace)
	}
	return nil
}

// wants reports whether there is still somebody for whom the layers from top
// down are copied.
func (e *Engine) wants(top, volume string, above *layerState) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if above != nil {
		return e.layers[above.id] == above
	}
	return e.volumes[volume] != nil && e.layers[top] != nil
}
