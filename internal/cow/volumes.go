package cow

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

// VolumeSpec is what CreateVolume needs to know.
type VolumeSpec struct {
	ID           string
	Base         string // the layer it is a clone of; "": a blank disk
	Size         int64  // in bytes; 0: the base's; if less than that, a multiple of BlockSize
	Volatile     bool   // never synced, gone when the machine has been down
	WriteThrough bool   // every change is durable before it is acknowledged
	Limit        int64  // bytes of own blocks, those of snapshots included; 0: no limit
}

// volumeState is what the engine keeps of each volume.
type volumeState struct {
	// op is held over everything that changes the volume's meta or replaces
	// its overlay; not over reads and writes.
	op sync.Mutex

	// All guarded by Engine.mu; meta and open change under op only.
	meta      volumeMeta
	open      *Volume
	bad       error // why it cannot be used
	making    bool  // not yet there
	unsettled bool  // a change of names failed half-way: read again before use
	own       int64 // while closed: own blocks; -1: not yet known
}

// loadVolume notes a volume found at Open, or throws away a volatile one of
// before the machine was down. A damaged one stays where it is.
func (e *Engine) loadVolume(id string) error {
	s := &volumeState{own: -1}
	s.bad = missing(readMeta(e.fs, e.path("volumes", id, "meta"), &s.meta))
	if s.bad == nil {
		s.bad = s.meta.check(id)
	}
	if s.bad != nil {
		s.meta = volumeMeta{ID: id}
		e.log.Error("volume cannot be used", "volume", id, "err", s.bad)
		e.volumes[id] = s
		return nil
	}
	if s.meta.Volatile && s.meta.Boot != e.boot {
		e.log.Info("removing a volatile volume of before the restart", "volume", id)
		return e.discard(e.path("volumes", id))
	}
	if err := e.adoptSealed(&s.meta); err != nil {
		return err
	}
	if !s.meta.Volatile {
		e.doubt[e.path("volumes", id)] = nil
	}
	e.volumes[id] = s
	if err := e.tidy(e.path("volumes", id)); err != nil {
		return err
	}
	return e.throwOrphans(&s.meta)
}

// adoptSealed completes a snapshot that was cut short after the overlay had
// become a layer, and before the volume's meta said so.
func (e *Engine) adoptSealed(m *volumeMeta) error {
	l := e.layers[m.Overlay]
	if m.Overlay == "" || l == nil {
		return nil
	}
	if _, err := e.fs.Stat(e.path("volumes", m.ID, m.Overlay)); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	m.Base, m.Clip, m.Overlay = m.Overlay, m.Size, ""
	return nil
}

// throwOrphans removes overlays that the meta does not name: they were not
// yet, or are no more.
func (e *Engine) throwOrphans(m *volumeMeta) error {
	names, err := e.fs.List(e.path("volumes", m.ID))
	if err != nil {
		return err
	}
	for _, n := range names {
		if isUUID(n) && n != m.Overlay {
			if err := e.settleNames(e.path("volumes", m.ID)); err != nil {
				return err
			}
			if err := e.trash.throw(e.path("volumes", m.ID, n)); err != nil {
				return err
			}
		}
	}
	return nil
}

// CreateVolume makes a clone of a layer or a blank disk, in a time and space
// that do not depend on its size: one small file. It returns ErrExist if the
// name is taken.
func (e *Engine) CreateVolume(spec VolumeSpec) (VolumeInfo, error) {
	info, err := e.createVolume(spec)
	if err != nil {
		return VolumeInfo{}, fmt.Errorf("create volume %q: %w", spec.ID, noSpace(err))
	}
	return info, nil
}

func (e *Engine) createVolume(spec VolumeSpec) (VolumeInfo, error) {
	leave, err := e.enter()
	if err != nil {
		return VolumeInfo{}, err
	}
	defer leave()
	s, err := e.reserveVolume(spec)
	if err != nil {
		return VolumeInfo{}, err
	}
	defer s.op.Unlock()
	if err := e.makeVolume(s.meta); err != nil {
		e.mu.Lock()
		delete(e.volumes, spec.ID)
		e.mu.Unlock()
		e.collect(s.meta.Base)
		return VolumeInfo{}, err
	}
	e.mu.Lock()
	s.making = false
	e.mu.Unlock()
	return e.volumeInfo(s), nil
}

// reserveVolume takes the name, and with it the base, and returns the state
// with its op held.
func (e *Engine) reserveVolume(spec VolumeSpec) (*volumeState, error) {
	if err := checkID(spec.ID); err != nil {
		return nil, err
	}
	s := &volumeState{making: true}
	s.op.Lock()
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.volumes[spec.ID] != nil {
		return nil, ErrExist // also when it is there but damaged
	}
	m := volumeMeta{
		ID: spec.ID, Base: spec.Base, Size: spec.Size, Volatile: spec.Volatile, WriteThrough: spec.WriteThrough,
		Limit: spec.Limit, Created: time.Now().UTC(), Boot: e.boot,
	}
	if m.Base != "" {
		base, err := e.layer(m.Base)
		if err != nil {
			return nil, err
		}
		if m.Size == 0 {
			m.Size = base.meta.Size
		}
		if m.Size < base.meta.Size && m.Size%BlockSize != 0 {
			return nil, fmt.Errorf("size %d, less than the %d of its base, and no multiple of %d", m.Size, base.meta.Size, BlockSize)
		}
		m.Clip = min(m.Size, base.meta.Size)
	}
	if m.Limit < 0 {
		return nil, fmt.Errorf("limit of %d bytes", m.Limit)
	}
	if m.Volatile && m.WriteThrough {
		return nil, errVolatileThrough
	}
	if err := checkSize(m.Size); err != nil {
		return nil, err
	}
	s.meta = m
	e.volumes[m.ID] = s
	return s, nil
}

// makeVolume writes a volume's only file. The file itself is synced also for
// a volatile volume, lest a power cut leaves one that nobody can read.
func (e *Engine) makeVolume(m volumeMeta) error {
	tmp, to := e.path("tmp", "volume-"+m.ID), e.path("volumes", m.ID)
	err := e.fs.Mkdir(tmp)
	if err == nil {
		err = writeMeta(e.fs, tmp+"/meta", m, m.Volatile) // otherwise publish syncs the folder
	}
	if err == nil {
		err = e.publish(tmp, to, !m.Volatile)
	}
	if err == nil {
		return nil
	}
	if errors.Is(err, errUnsettled) {
		err = errors.Join(err, e.throwIfThere(to))
	}
	return errors.Join(err, e.throwIfThere(tmp))
}

// volume finds a volume that can be used. Its errors leave the name to the
// caller, who holds mu.
func (e *Engine) volume(id string) (*volumeState, error) {
	if e.closed {
		return nil, errEngineClosed
	}
	s := e.volumes[id]
	if s == nil || s.making {
		return nil, ErrNotExist
	}
	if s.bad != nil {
		return nil, s.bad
	}
	return s, nil
}

// RemoveVolume takes a volume with its snapshots away at once, also a damaged
// one; its space is freed in the background. It returns an InUseError while
// the volume is open.
func (e *Engine) RemoveVolume(id string) error {
	leave, err := e.enter()
	if err != nil {
		return err
	}
	defer leave()
	e.mu.Lock()
	s := e.volumes[id]
	e.mu.Unlock()
	if s == nil {
		return fmt.Errorf("volume %q: %w", id, ErrNotExist)
	}
	s.op.Lock()
	defer s.op.Unlock()
	if err := e.usable(s); err != nil && !errors.Is(err, errUnsettled) {
		return fmt.Errorf("remove volume %q: %w", id, err)
	}
	if s.open != nil {
		return &InUseError{What: fmt.Sprintf("volume %q", id)}
	}
	if err := e.discard(e.path("volumes", id)); err != nil {
		if errors.Is(err, errUnsettled) {
			e.unsettle(s)
		}
		return fmt.Errorf("remove volume %q: %w", id, err)
	}
	e.mu.Lock()
	delete(e.volumes, id)
	e.mu.Unlock()
	e.collect(s.meta.layers()...)
	return nil
}

// layers that a volume refers to.
func (m *volumeMeta) layers() []string {
	ids := []string{m.Base}
	for _, s := range m.Snapshots {
		ids = append(ids, s.Layer)
	}
	return ids
}

// OpenVolume opens a volume for reading and writing, once: it returns an
// InUseError if it is open already. It changes no file.
func (e *Engine) OpenVolume(id string) (*Volume, error) {
	s, done, err := e.edit(id)
	if err != nil {
		return nil, fmt.Errorf("open volume %q: %w", id, err)
	}
	defer done()
	if s.open != nil {
		return nil, fmt.Errorf("open volume %q: %w", id, &InUseError{What: "it"})
	}
	v, err := e.openVolume(s)
	if err != nil {
		return nil, fmt.Errorf("open volume %q: %w", id, err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	s.open = v
	e.recount(v)
	return v, nil
}

func (e *Engine) openVolume(s *volumeState) (*Volume, error) {
	m := &s.meta
	var base *chain
	if m.Base != "" {
		var err error
		if base, err = e.acquire(m.Base); errors.Is(err, ErrNotExist) {
			return nil, &missingError{fmt.Sprintf("layer %q", m.Base)}
		} else if err != nil {
			return nil, err
		}
	}
	v := &Volume{e: e, id: m.ID, state: s, volatile: m.Volatile}
	v.limit.Store(m.Limit)
	v.writeThrough.Store(m.WriteThrough)
	var over *overlay
	if m.Overlay != "" {
		var err error
		if over, err = e.openOverlay(m, &v.failure, &v.ranges); err != nil {
			return nil, errors.Join(err, e.release(base))
		}
	}
	v.top.Store(newTop(m.Size, base, m.Clip, over))
	return v, nil
}
