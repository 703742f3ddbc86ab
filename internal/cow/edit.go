package cow

import (
	"errors"
	"os"
)

// edit admits a change of a volume's meta or overlay. It returns with the
// state's op held, until done is called. Its errors leave the name to the caller.
func (e *Engine) edit(id string) (s *volumeState, done func(), err error) {
	leave, err := e.enter()
	if err != nil {
		return nil, nil, err
	}
	e.mu.Lock()
	s, err = e.volume(id)
	e.mu.Unlock()
	if err != nil {
		leave()
		return nil, nil, err
	}
	s.op.Lock()
	done = func() { s.op.Unlock(); leave() }
	if err := e.usable(s); err != nil {
		done()
		return nil, nil, err
	}
	return s, done, nil
}

// usable looks again, now that op is held.
func (e *Engine) usable(s *volumeState) error {
	e.mu.Lock()
	there, open, again := e.volumes[s.meta.ID] == s, s.open, s.unsettled
	e.mu.Unlock()
	switch {
	case !there:
		return ErrNotExist
	case open != nil && open.failure.get() != nil:
		return open.failure.get()
	case again:
		return e.readAgain(s)
	}
	return e.settleNames(e.path("volumes", s.meta.ID))
}

// unsettle notes that a volume's files may say one thing or another, so that
// they are read again before it is used, and that nothing may be collected.
func (e *Engine) unsettle(s *volumeState) {
	e.mu.Lock()
	defer e.mu.Unlock()
	s.unsettled, e.hold = true, true
}

// readAgain does for one volume, after a change that failed half-way, what
// Open does for all: it takes what the files say, makes it durable, and goes
// on from there.
func (e *Engine) readAgain(s *volumeState) error {
	id := s.meta.ID
	var m volumeMeta
	err := readMeta(e.fs, e.path("volumes", id, "meta"), &m)
	if errors.Is(err, os.ErrNotExist) { // the removal was done
		e.mu.Lock()
		delete(e.volumes, id)
		e.mu.Unlock()
		return ErrNotExist
	}
	if err == nil {
		err = m.check(id)
	}
	if err == nil {
		err = e.fs.SyncDir(e.path("layers"))
	}
	if err == nil {
		err = e.findSealed(&m)
	}
	if err == nil { // anew, and synced
		err = writeMeta(e.fs, e.path("volumes", id, "meta"), m, true)
	}
	if err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	s.meta, s.unsettled, s.own = m, false, -1
	return nil
}

// findSealed is adoptSealed for a layer that may not be known yet.
func (e *Engine) findSealed(m *volumeMeta) error {
	if m.Overlay == "" {
		return nil
	}
	_, err := e.fs.Stat(e.path("layers", m.Overlay))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.layers[m.Overlay] == nil {
		if err := e.loadLayer(m.Overlay); err != nil {
			return err
		}
	}
	return e.adoptSealed(m)
}

// putMeta replaces a volume's meta, on disk and then in memory. The caller
// holds op.
func (e *Engine) putMeta(s *volumeState, m volumeMeta) error {
	if err := writeMeta(e.fs, e.path("volumes", m.ID, "meta"), m, !m.Volatile); err != nil {
		if errors.Is(err, errUnsettled) {
			e.unsettle(s)
		}
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	s.meta = m
	return nil
}
