package cow

import (
	"errors"
	"os"
	"time"

	"bootes.dev/internal/cow/vfs"
	"github.com/google/uuid"
)

// emptyLayer makes a layer that reads as its parent does, as far as clip.
func (e *Engine) emptyLayer(parent string, clip, size int64, keep bool) (string, error) {
	if err := e.roomAbove(parent); err != nil {
		return "", err
	}
	id := uuid.New()
	m := &layerMeta{ID: id.String(), Parent: parent, Clip: clip, Size: size, Keep: keep, Created: time.Now().UTC()}
	tmp, to := e.path("tmp", "layer-"+m.ID), e.path("layers", m.ID)
	err := e.makeEmpty(tmp, id, m)
	if err == nil {
		err = e.publish(tmp, to, true)
	}
	if err != nil {
		if errors.Is(err, errUnsettled) {
			err = errors.Join(err, e.throwIfThere(to))
		}
		return "", errors.Join(noSpace(err), e.throwIfThere(tmp))
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.layers[m.ID] = &layerState{id: m.ID, meta: *m}
	return m.ID, nil
}

func (e *Engine) makeEmpty(tmp string, id uuid.UUID, m *layerMeta) error {
	if err := e.fs.Mkdir(tmp); err != nil {
		return err
	}
	f, err := createData(e.fs, tmp+"/data", id, m.Size, true)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	own := newPresence(blocksFor(m.Size))
	if err := writeMap(e.fs, tmp+"/map", id, &own); err != nil {
		return err
	}
	return writeMeta(e.fs, tmp+"/meta", m, false) // publish syncs the folder
}

// writeMap stores a whole map durably, as generation 0.
func writeMap(fs vfs.FS, name string, id uuid.UUID, own *presence) error {
	if err := fs.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) { // of a Seal that failed
		return err
	}
	f, err := fs.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL)
	if err != nil {
		return err
	}
	defer f.Close()
	d := &directory{header{Blocks: uint64(own.blocks), ID: id, Here: uint64(own.here(0, own.blocks))}, make([]entry, len(own.pages))}
	if err := f.Truncate(pageOffset(own.blocks, int64(len(own.pages)), 0)); err != nil {
		return err
	}
	if err := writeAllPages(f, own, d.entries); err != nil {
		return err
	}
	if err := writeDirectory(f, d); err != nil {
		return err
	}
	return f.Sync()
}
