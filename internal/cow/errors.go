package cow

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"

	"bootes.dev/internal/block"
)

// Errors that a caller branches on, by errors.Is. Errors of input and output
// on a disk are those of package block.
var (
	// ErrInUse: the data folder, volume or layer is open; see InUseError.
	ErrInUse = errors.New("in use")
	// ErrNotExist: no layer or volume of this name.
	ErrNotExist = fs.ErrNotExist
	// ErrExist: the name is taken.
	ErrExist = fs.ErrExist
	// ErrDependents: something is built on it; see DependentsError.
	ErrDependents = errors.New("still needed")
	// ErrVersion: written in a format that this program does not know.
	ErrVersion = errors.New("unknown version of the format")
	// ErrLimit: it is the volume's own limit that leaves no space. It is a
	// block.ErrNoSpace.
	ErrLimit error = limitError{}
)

type limitError struct{}

func (limitError) Error() string { return block.ErrNoSpace.Error() }

func (limitError) Unwrap() error { return block.ErrNoSpace }

// InUseError says what is held, and by which process if by another one.
type InUseError struct {
	What string
	PID  int // 0: by this process, or unknown
}

func (e *InUseError) Error() string {
	if e.PID == 0 {
		return e.What + " is in use"
	}
	return fmt.Sprintf("%s is in use by process %d", e.What, e.PID)
}

func (e *InUseError) Is(target error) bool { return target == ErrInUse }

// DependentsError names what is built on a layer that was to be removed.
type DependentsError struct {
	Layer   string
	Volumes []string
	Layers  []string
}

func (e *DependentsError) Error() string {
	var by []string
	for _, l := range e.Layers {
		by = append(by, "layer "+l)
	}
	for _, v := range e.Volumes {
		by = append(by, "volume "+v)
	}
	return fmt.Sprintf("layer %q is needed by %s", e.Layer, strings.Join(by, ", "))
}

func (e *DependentsError) Is(target error) bool { return target == ErrDependents }

// errUnsettled marks the failure of a change of names that may be on the disk
// all the same: nobody may build on either answer before it is read again.
var errUnsettled = errors.New("unknown whether it was done")

func unsettled(err error) error { return fmt.Errorf("%w: %w", errUnsettled, err) }

// renameError: a full disk refuses cleanly, any other failure may have left
// either name behind.
func renameError(err error) error {
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if full := noSpace(err); errors.Is(full, block.ErrNoSpace) {
		return full
	}
	return unsettled(err)
}

// noSpace marks an error of the host's disk being full with block.ErrNoSpace.
func noSpace(err error) error {
	if errors.Is(err, block.ErrNoSpace) {
		return err
	}
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%w: %w", block.ErrNoSpace, err)
	}
	return err
}
