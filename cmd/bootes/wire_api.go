package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"os/exec"

	"golang.org/x/sys/unix"

	"bootes.dev/internal/api"
	"bootes.dev/internal/backup"
	"bootes.dev/internal/block"
	"bootes.dev/internal/cow"
	"bootes.dev/internal/diskimage"
	"bootes.dev/internal/inventory"
	"bootes.dev/internal/storage"
)

func (h *house) apiOptions() api.Options {
	return api.Options{
		Images:   images{h},
		Machines: machines{h},
		Volumes:  volumes{h},
		Boots:    h.rec,
		Version:  version(),
		Log:      h.log,

		Tags:      tags{h},
		Layers:    images{h},
		Snapshots: volumes{h},
		Disks:     volumes{h},
		Updates:   updates{h},
		Streams:   streams{h},
		Space:     space{h},
	}
}

// apiError sorts an error of the packages below for the API.
func apiError(err error) error {
	var (
		invalid *inventory.InvalidError
		missing *inventory.NotFoundError
		exists  *inventory.ExistsError
		inUse   *inventory.InUseError
		update  *inventory.UpdateError
		noRoom  *storage.NoRoomError
		badDisk *diskimage.FormatError
		twin    *inventory.VolumeExistsError
		badTape *backup.FormatError
		newTape *backup.VersionError
		earlier *storage.EarlierStateError
		noImage *storage.NoImageError
		mode    *inventory.ModeError
	)
	kind := api.Internal
	var known *api.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &known):
		return err
	case errors.Is(err, context.Canceled):
		return err // the API says who cancelled
	case errors.As(err, &noRoom), errors.Is(err, block.ErrNoSpace), errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		kind = api.NoSpace
	case errors.As(err, &invalid), errors.As(err, &badDisk), errors.As(err, &badTape), errors.As(err, &newTape), errors.As(err, &noImage):
		kind = api.Invalid
	case errors.As(err, &missing), errors.As(err, &earlier), errors.Is(err, cow.ErrNotExist):
		kind = api.NotFound
	case errors.As(err, &exists), errors.As(err, &twin), errors.As(err, &inUse), errors.As(err, &update), errors.As(err, &mode), errors.Is(err, cow.ErrInUse), errors.Is(err, cow.ErrDependents):
		kind = api.Conflict
	case errors.Is(err, exec.ErrNotFound):
		kind = api.Missing
	}
	return api.Errorf(kind, "%w", err)
}

// each turns records into what the API shows.
func each[R, T any](records []R, err error, f func(R) T) ([]T, error) {
	out := make([]T, 0, len(records))
	for _, r := range records {
		out = append(out, f(r))
	}
	return out, apiError(err)
}

// step tells the API of one step of a long task.
func step(progress func(api.Progress), name string) func(done, total int64) {
	return func(done, total int64) { progress(api.Progress{Step: name, Done: done, Total: total}) }
}

// diskUUID derives a disk's identifier from the name of its volume, so that it
// is the same for the volume's life.
func diskUUID(name string) (id [16]byte) {
	h := sha256.Sum256([]byte("bootes disk " + name))
	copy(id[:], h[:])
	return id
}
