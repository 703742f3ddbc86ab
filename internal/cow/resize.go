package cow

import (
	"errors"
	"fmt"

	"bootes.dev/internal/block"
)

// Resize changes the size of a volume to a multiple of BlockSize: larger while
// it is open or closed, smaller only while it is closed (an InUseError
// otherwise). New space is zeros, also where there was something before the
// volume was made smaller. Snapshots keep their size.
func (e *Engine) Resize(volume string, size int64) error {
	if err := e.resize(volume, size); err != nil {
		return fmt.Errorf("resize volume %q to %d bytes: %w", volume, size, noSpace(err))
	}
	return nil
}

func (e *Engine) resize(volume string, size int64) error {
	if err := checkSize(size); err != nil {
		return err
	}
	s, done, err := e.edit(volume)
	if err != nil {
		return err
	}
	defer done()
	switch {
	case size == s.meta.Size:
		return nil
	case size%BlockSize != 0:
		return fmt.Errorf("it must be a multiple of %d: %w", BlockSize, block.ErrUnaligned)
	case size < s.meta.Size && s.open != nil:
		return &InUseError{What: "the volume"}
	}
	// An overlay has one size for life: it becomes a layer, through which no
	// more shows than the smaller of both sizes.
	return e.withOverlay(s, func(o *overlay) error {
		fit := func(m *volumeMeta) {
			m.Clip, m.Size = min(m.Clip, m.Size, size), size
		}
		if o != nil && !o.isEmpty() {
			return e.seal(s, o, false, fit)
		}
		return e.resizeEmpty(s, o, fit)
	})
}

// resizeEmpty is for a volume without own blocks: its overlay, if it has one,
// goes, and the next change makes one of the new size. If it is open, changes
// stand still meanwhile, and if one has come, it is sealed after all.
func (e *Engine) resizeEmpty(s *volumeState, o *overlay, fit func(*volumeMeta)) error {
	m := s.meta
	m.Overlay = ""
	fit(&m)
	v := s.open
	if v == nil {
		err := e.putMeta(s, m)
		if err == nil && o != nil {
			err = e.throwIfThere(o.folder)
		}
		return err
	}
	v.life.Lock()
	if o != nil && !o.isEmpty() {
		v.life.Unlock()
		return e.seal(s, o, false, fit)
	}
	err := e.putMeta(s, m)
	if err == nil {
		v.top.Store(newTop(m.Size, v.top.Load().base, m.Clip, nil))
	}
	v.life.Unlock()
	if err != nil {
		return v.failIfUnsettled(err)
	}
	if o == nil {
		return nil
	}
	o.punch.Wait()
	return errors.Join(o.closeFiles(), e.throwIfThere(o.folder))
}
