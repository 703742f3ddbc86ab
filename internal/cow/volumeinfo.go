package cow

import (
	"fmt"
	"sort"
	"time"
)

// VolumeInfo describes a volume.
type VolumeInfo struct {
	VolumeSpec
	Own       int64 // bytes of the overlay's blocks; as of its last checkpoint if not opened since a crash
	Private   int64 // bytes that count for the limit: Own, and the blocks of layers that belong to no image
	Stored    int64 // bytes that the volume's own files occupy, layers not included
	Snapshots []SnapshotInfo
	Depth     int // layers below the overlay
	Created   time.Time
	Open      bool
}

// SnapshotInfo describes a named state of a volume.
type SnapshotInfo struct {
	Name    string
	Layer   string
	Size    int64 // bytes of the disk as it was
	Own     int64 // bytes of the blocks that its layer itself has; 0 if that is an image's, or an earlier snapshot's
	Created time.Time
}

// metaStored is what a volume's meta file occupies.
const metaStored = 4096

// Volumes lists all volumes by ID. Unreadable ones are not among them.
func (e *Engine) Volumes() []VolumeInfo {
	e.mu.Lock()
	states := make([]*volumeState, 0, len(e.volumes))
	for _, s := range e.volumes {
		if s.bad == nil && !s.making {
			states = append(states, s)
		}
	}
	e.mu.Unlock()
	list := make([]VolumeInfo, len(states))
	for i, s := range states {
		list[i] = e.volumeInfo(s)
	}
	sort.Slice(list, func(i, j int) bool { return list[i].ID < list[j].ID })
	return list
}

// Volume returns ErrNotExist for an unknown ID, and an error that wraps
// block.ErrCorrupt for a volume that is there but cannot be used.
func (e *Engine) Volume(id string) (VolumeInfo, error) {
	e.mu.Lock()
	s, err := e.volume(id)
	e.mu.Unlock()
	if err != nil {
		return VolumeInfo{}, fmt.Errorf("volume %q: %w", id, err)
	}
	return e.volumeInfo(s), nil
}

func (e *Engine) volumeInfo(s *volumeState) VolumeInfo {
	e.mu.Lock()
	m, own, open := s.meta, s.own, s.open
	info := VolumeInfo{
		VolumeSpec: VolumeSpec{
			ID: m.ID, Base: m.Base, Size: m.Size, Volatile: m.Volatile, WriteThrough: m.WriteThrough, Limit: m.Limit,
		},
		Private: e.private(&m), Depth: e.depth(m.Base), Created: m.Created, Open: open != nil,
	}
	info.Snapshots = e.snapshotInfos(m.Snapshots)
	e.mu.Unlock()

	switch {
	case m.Overlay == "":
		own = 0
	case open != nil:
		if o := open.top.Load().over; o != nil {
			own = o.used.Load()
		}
	case own < 0:
		own = e.readHere(&m)
		e.mu.Lock()
		if s.own < 0 && s.open == nil && s.meta.Overlay == m.Overlay {
			s.own = own
		}
		e.mu.Unlock()
	}
	info.Own = max(own, 0) << blockShift
	info.Private += info.Own
	info.Stored = metaStored + e.overlayStored(m.ID, m.Overlay)
	return info
}

// snapshotInfos is called with mu held.
func (e *Engine) snapshotInfos(all []snapshotMeta) (infos []SnapshotInfo) {
	counted := map[string]bool{}
	for _, s := range all {
		info := SnapshotInfo{Name: s.Name, Layer: s.Layer, Created: s.Created}
		if l := e.layers[s.Layer]; l != nil {
			info.Size = l.meta.Size
			if !l.meta.Keep && !counted[s.Layer] {
				info.Own = l.meta.Own
			}
		}
		counted[s.Layer] = true
		infos = append(infos, info)
	}
	return infos
}

// private is how many bytes below a volume's overlay count for its limit: the
// blocks of layers that can be reached from its base and its snapshots before
// the first kept one. The caller holds mu.
func (e *Engine) private(m *volumeMeta) (n int64) {
	seen := map[string]bool{"": true}
	for _, id := range m.layers() {
		for l := e.layers[id]; l != nil && !l.meta.Keep && !seen[id]; l = e.layers[id] {
			n += l.meta.Own
			seen[id] = true
			id = l.meta.Parent
		}
	}
	return n
}

// recount brings an open volume's share up to date after layers have come,
// gone, or changed hands. The caller holds mu.
func (e *Engine) recount(v *Volume) {
	v.private.Store(e.private(&v.state.meta) >> blockShift)
}

func (e *Engine) recountAll() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, s := range e.volumes {
		if s.open != nil {
			e.recount(s.open)
		}
	}
}
