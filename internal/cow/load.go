package cow

import (
	"errors"
	"os"

	"bootes.dev/internal/block"
)

// load refuses a folder of another format before it touches anything, makes
// the folders, clears away what is half-made and reads the rest: metas only,
// so that a thousand volumes cost no time.
func (e *Engine) load() error {
	if err := e.readBoot(); err != nil {
		return err
	}
	for _, d := range []string{"layers", "volumes", "tmp", "trash"} {
		if err := e.fs.Mkdir(e.path(d)); err != nil {
			return err
		}
	}
	if err := e.fs.SyncDir(e.dir); err != nil {
		return err
	}
	for _, d := range []string{"layers", "volumes"} {
		// A process killed before its sync may have left names that only the
		// page cache has.
		if err := e.fs.SyncDir(e.path(d)); err != nil {
			return err
		}
	}
	e.trash = newTrash(e.fs, e.path("trash"), &e.space, e.log)
	left, err := allocated(e.fs, e.path("trash"))
	if err != nil {
		return err
	}
	e.trash.left.Store(left)
	if err := e.each("tmp", e.throwHalfMade); err != nil {
		return err
	}
	if err := e.each("layers", e.loadLayer); err != nil {
		return err
	}
	if err := e.each("volumes", e.loadVolume); err != nil {
		return err
	}
	return e.sweep()
}

func (e *Engine) each(dir string, fn func(id string) error) error {
	names, err := e.fs.List(e.path(dir))
	if err != nil {
		return err
	}
	for _, n := range names {
		if err := fn(n); err != nil {
			return err
		}
	}
	return nil
}

func (e *Engine) throwHalfMade(name string) error {
	e.log.Info("removing what an interrupted run left half-made", "name", name)
	return e.trash.throw(e.path("tmp", name))
}

// readBoot compares the machine's boot_id with the one on record, and notes
// the first of all. The record carries the format's version.
func (e *Engine) readBoot() error {
	var last engineMeta
	err := readMeta(e.fs, e.path("boot"), &last)
	switch {
	case errors.Is(err, os.ErrNotExist) && e.isNew():
		return e.SettleBoot()
	case errors.Is(err, os.ErrNotExist), errors.Is(err, block.ErrCorrupt):
		// Not knowing is as if the machine had been down: guests boot again.
		e.log.Error("the record of the machine's last boot cannot be used", "err", err)
		e.bootChanged = true
		return nil
	case err != nil:
		return err
	}
	e.bootChanged = last.Boot != e.boot
	return nil
}

// isNew reports whether there are no layers and no volumes yet.
func (e *Engine) isNew() bool {
	for _, d := range []string{"layers", "volumes"} {
		if names, err := e.fs.List(e.path(d)); err == nil && len(names) > 0 {
			return false
		}
	}
	return true
}
