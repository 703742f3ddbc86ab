package cow

import (
	"errors"
	"os"
)

// doubt holds the folders of layers and volumes that Open found: a process
// that was killed before its last sync may have renamed something in them that
// only the page cache knows. Nothing is acknowledged or thrown away on the
// strength of such a name before the folder is synced. That is done when it is
// needed, and not at Open, because a thousand syncs take their time. With a
// folder goes the error of its sync, which is final for this opening. Guarded
// by Engine.mu.
type doubt map[string]error

// settleNames syncs a folder that is in doubt.
func (e *Engine) settleNames(folder string) error {
	e.mu.Lock()
	err, inDoubt := e.doubt[folder]
	e.mu.Unlock()
	if err != nil || !inDoubt {
		return err
	}
	err = e.fs.SyncDir(folder)
	e.mu.Lock()
	defer e.mu.Unlock()
	if err != nil && !errors.Is(err, os.ErrNotExist) { // else it was removed meanwhile
		e.doubt[folder] = err
		return err
	}
	delete(e.doubt, folder)
	return nil
}

// settleAllNames comes before anything is thrown away that a name in doubt may
// turn out to need.
func (e *Engine) settleAllNames() error {
	e.mu.Lock()
	var folders []string
	for f := range e.doubt {
		folders = append(folders, f)
	}
	e.mu.Unlock()
	for _, f := range folders {
		if err := e.settleNames(f); err != nil {
			return err
		}
	}
	return nil
}
