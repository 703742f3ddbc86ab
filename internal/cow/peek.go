package cow

import (
	"errors"
	"fmt"
)

// Peek reads a range of a volume as it is now, whoever has it open, and changes
// no file. It opens a volume that is closed for just that, so it is for a look at
// a few blocks; until it returns nobody else can open it.
func (e *Engine) Peek(id string, p []byte, off int64) error {
	if err := e.peek(id, p, off); err != nil {
		return fmt.Errorf("look into volume %q: %w", id, err)
	}
	return nil
}

func (e *Engine) peek(id string, p []byte, off int64) error {
	s, done, err := e.edit(id)
	if err != nil {
		return err
	}
	defer done()
	if s.open != nil {
		_, err := s.open.ReadAt(p, off)
		return err
	}
	v, err := e.openVolume(s)
	if err != nil {
		return err
	}
	t := v.top.Load()
	_, err = v.ReadAt(p, off)
	if t.over != nil {
		err = errors.Join(err, t.over.closeFiles())
	}
	return errors.Join(err, e.release(t.base))
}
