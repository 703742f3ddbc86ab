package cow

import (
	"errors"
	"fmt"
	"os"
	"sort"
	"time"
)

// VolumeSpec is what CreateVolume needs to know.
type VolumeSpec struct {
	ID       string
	Base     string // the layer it is a clone of; "": a blank disk
	Size     int64  // in bytes; 0: the base's
	Volatile bool   // never synced, gone when the machine has been down
	Limit    int64  // bytes of own blocks, 0: no limit
}

// VolumeInfo describes a volume.
type VolumeInfo struct {
	VolumeSpec
	Stored  int64 // bytes that its files occupy
	Created time.Time
	Open    bool
}

// volumeState is what the engine keeps of each volume.
type volumeState struct {
	meta volumeMeta
	open *Volume
}

// loadVolume notes a volume found at Open, or throws away a volatile one of
// before the machine was down. A damaged one stays where it is.
func (e *Engine) loadVolume(id string) error {
	s := new(volumeState)
	err := readMeta(e.fs, e.path("volumes", id, "meta"), &s.meta)
	if err == nil {
		err = s.meta.check(id)
	}
	if err != nil {
		// A volatile volume's meta may have been torn by the power cut that
		// ended it; without a meta nobody can tell. It stays for a person.
		e.log.Error("volume cannot be used", "volume", id, "err", err)
		return nil
	}
	if s.meta.Volatile && s.meta.Boot != e.boot {
		e.log.Info("removing a volatile volume of before the restart", "volume", id)
		return e.discard(e.path("volumes", id))
	}
	e.volumes[id] = s
	return nil
}

// CreateVolume makes a clone of a layer or a blank disk, in a time and space
// that do not depend on its size. It returns ErrExist if the name is taken.
func (e *Engine) CreateVolume(spec VolumeSpec) (VolumeInfo, error) {
	info, err := e.createVolume(spec)
	if err != nil {
		return VolumeInfo{}, fmt.Errorf("create volume %q: %w", spec.ID, noSpace(err))
	}
	return info, nil
}

func (e *Engine) createVolume(spec VolumeSpec) (VolumeInfo, error) {
	if err := checkID(spec.ID); err != nil {
		return VolumeInfo{}, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.completeSpec(&spec); err != nil {
		return VolumeInfo{}, err
	}
	m := volumeMeta{
		ID: spec.ID, Base: spec.Base, Size: spec.Size, Volatile: spec.Volatile,
		Limit: spec.Limit, Created: time.Now().UTC(), Boot: e.boot,
	}
	tmp := e.path("tmp", "volume-"+spec.ID)
	err := e.makeVolume(tmp, m)
	if err == nil {
		err = e.publish(tmp, e.path("volumes", spec.ID), !spec.Volatile)
	}
	if err != nil {
		if e := e.trash.throw(tmp); !errors.Is(e, os.ErrNotExist) {
			err = errors.Join(err, e)
		}
		return VolumeInfo{}, err
	}
	e.volumes[spec.ID] = &volumeState{meta: m}
	return e.volumeInfo(e.volumes[spec.ID]), nil
}

func (e *Engine) completeSpec(spec *VolumeSpec) error {
	if e.closed {
		return errEngineClosed
	}
	if _, err := e.fs.Stat(e.path("volumes", spec.ID)); err == nil {
		return ErrExist // also when it is there but damaged
	}
	if spec.Base != "" {
		base, err := e.layer(spec.Base)
		if err != nil {
			return err
		}
		if spec.Size == 0 {
			spec.Size = base.Size
		}
	}
	if spec.Limit < 0 {
		return fmt.Errorf("limit of %d bytes", spec.Limit)
	}
	return checkSize(spec.Size)
}

// makeVolume writes a volume's first files: the empty data file, the map
// file's directory 0, and the meta.
func (e *Engine) makeVolume(dir string, m volumeMeta) error {
	if err := e.fs.Mkdir(dir); err != nil {
		return err
	}
	data, err := e.fs.OpenFile(dir+"/data", os.O_RDWR|os.O_CREATE|os.O_EXCL)
	if err != nil {
		return err
	}
	if err := errors.Join(data.Truncate(dataLength(m.Size)), syncUnless(m.Volatile, data), data.Close()); err != nil {
		return err
	}
	if err := e.makeMap(dir+"/map", m); err != nil {
		return err
	}
	return writeMeta(e.fs, dir+"/meta", m, !m.Volatile)
}

func (e *Engine) makeMap(name string, m volumeMeta) error {
	f, err := e.fs.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL)
	if err != nil {
		return err
	}
	blocks := blocksFor(m.Size)
	d := &directory{header{Blocks: uint64(blocks), Boot: e.boot}, make([]entry, pagesFor(blocks))}
	first := d.AppendBinary(nil)[:pageBytes] // the rest is zeros, and so is the file
	if err := f.Truncate(2 * dirSize(blocks)); err != nil {
		return errors.Join(err, f.Close())
	}
	_, err = f.WriteAt(first, 0)
	if err == nil {
		err = syncUnless(m.Volatile, f)
	}
	return errors.Join(err, f.Close())
}

func syncUnless(volatile bool, f interface{ Sync() error }) error {
	if volatile {
		return nil
	}
	return f.Sync()
}

// Volumes lists all volumes by ID.
func (e *Engine) Volumes() []VolumeInfo {
	e.mu.Lock()
	defer e.mu.Unlock()
	list := make([]VolumeInfo, 0, len(e.volumes))
	for _, s := range e.volumes {
		list = append(list, e.volumeInfo(s))
	}
	sort.Slice(list, func(i, j int) bool { return list[i].ID < list[j].ID })
	return list
}

// Volume returns ErrNotExist for an unknown ID.
func (e *Engine) Volume(id string) (VolumeInfo, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	s, err := e.volume(id)
	if err != nil {
		return VolumeInfo{}, err
	}
	return e.volumeInfo(s), nil
}

func (e *Engine) volume(id string) (*volumeState, error) {
	if e.closed {
		return nil, errEngineClosed
	}
	s := e.volumes[id]
	if s == nil {
		return nil, fmt.Errorf("volume %q: %w", id, ErrNotExist)
	}
	return s, nil
}

func (e *Engine) volumeInfo(s *volumeState) VolumeInfo {
	m := s.meta
	stored, err := allocated(e.fs, e.path("volumes", m.ID))
	if err != nil {
		e.log.Error("cannot measure volume", "volume", m.ID, "err", err)
	}
	spec := VolumeSpec{m.ID, m.Base, m.Size, m.Volatile, m.Limit}
	return VolumeInfo{spec, stored, m.Created, s.open != nil}
}

// RemoveVolume takes a volume away at once; its space is freed in the
// background. It returns an InUseError while the volume is open.
func (e *Engine) RemoveVolume(id string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	s, err := e.volume(id)
	if err != nil {
		return err
	}
	if s.open != nil {
		return &InUseError{What: fmt.Sprintf("volume %q", id)}
	}
	if err := e.discard(e.path("volumes", id)); err != nil {
		return fmt.Errorf("remove volume %q: %w", id, err)
	}
	delete(e.volumes, id)
	return nil
}

// SetLimit changes how many bytes of own blocks a volume may have, 0 for no
// limit, also while it is open. A limit below what it has stops new blocks
// only.
func (e *Engine) SetLimit(id string, limit int64) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	s, err := e.volume(id)
	if err != nil {
		return err
	}
	if limit < 0 {
		return fmt.Errorf("set limit of volume %q to %d bytes", id, limit)
	}
	m := s.meta
	m.Limit = limit
	if err := writeMeta(e.fs, e.path("volumes", id, "meta"), m, !m.Volatile); err != nil {
		return fmt.Errorf("set limit of volume %q: %w", id, err)
	}
	s.meta = m
	if s.open != nil {
		s.open.limit.Store(limit)
	}
	return nil
}

// OpenVolume opens a volume for reading and writing, once: it returns an
// InUseError if it is open already.
func (e *Engine) OpenVolume(id string) (*Volume, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	s, err := e.volume(id)
	if err != nil {
		return nil, err
	}
	if s.open != nil {
		return nil, &InUseError{What: fmt.Sprintf("volume %q", id)}
	}
	v, err := e.openVolume(s.meta)
	if err != nil {
		return nil, fmt.Errorf("open volume %q: %w", id, err)
	}
	s.open = v
	return v, nil
}

func (e *Engine) openVolume(m volumeMeta) (*Volume, error) {
	var base *chain
	if m.Base != "" {
		var err error
		if base, err = e.acquire(m.Base); err != nil {
			return nil, err
		}
	}
	v := &Volume{e: e, meta: m, overlay: newOverlay(m.Size, base)}
	v.limit.Store(m.Limit)
	if err := v.load(e.path("volumes", m.ID)); err != nil {
		return nil, errors.Join(err, v.closeFiles(), e.releaseLocked(m.Base))
	}
	return v, nil
}
