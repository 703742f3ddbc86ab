package store

import (
	"errors"
	"fmt"
)

// Errors that callers branch on by errors.Is.
var (
	// ErrNotFound: the collection has no record of that key.
	ErrNotFound = errors.New("no such record")
	// ErrConflict: a transaction met changes by others each time it was
	// tried. Nothing of it was written.
	ErrConflict = errors.New("records kept changing under the transaction")
	// ErrFull: the records have reached their quota; only deletions work.
	ErrFull = errors.New("the store is full")
	// ErrClosed: the store was closed.
	ErrClosed = errors.New("the store is closed")
)

// InUseError says that another process holds the data folder.
type InUseError struct {
	Dir string
	PID int // 0: unknown
}

func (e *InUseError) Error() string {
	who := "another server"
	if e.PID != 0 {
		who = fmt.Sprintf("another server (process %d)", e.PID)
	}
	return fmt.Sprintf("data folder %q is in use by %s: stop it first, or give this one a folder of its own", e.Dir, who)
}
