package main

import (
	"context"
	"errors"
	"os/exec"
	"slices"

	"golang.org/x/sys/unix"

	"bootes.dev/internal/api"
	"bootes.dev/internal/backup"
	"bootes.dev/internal/block"
	"bootes.dev/internal/cow"
	"bootes.dev/internal/diskimage"
	"bootes.dev/internal/guestfs"
	"bootes.dev/internal/inventory"
	"bootes.dev/internal/shelf"
	"bootes.dev/internal/storage"
)

func (h *house) apiOptions() api.Options {
	return api.Options{
		Images:   images{h},
		Machines: machines{h},
		Volumes:  volumes{h},
		Boots:    h.rec,
		Sessions: openSessions{h},
		Version:  version(),
		Log:      h.log,

		Tags:        tags{h},
		Layers:      images{h},
		Snapshots:   volumes{h},
		Disks:       volumes{h},
		Attachments: attachments{h},
		Updates:     updates{h},
		Streams:     streams{h},
		Files:       files{h},
		Space:       space{h},
		Loaders:     foundLoaders{h},
		DHCP:        dhcpStatus{h},
		Leases:      leases{h},
		Metrics:     h.metrics,
		Credentials: credentials{h},
		Waiting:     waiting{h},
		Simulations: simulations{h},
		IO:          volumes{h},
		Traces:      images{h},
		Packets:     packets{h},
	}
}

// apiError sorts an error of the packages below for the API.
func apiError(err error) error {
	if err == nil || is[*api.Error](err) || errors.Is(err, context.Canceled) { // the API says who cancelled
		return err
	}
	return api.Errorf(kindOf(err), "%w", err)
}

func kindOf(err error) api.Kind {
	switch {
	case is[*storage.NoRoomError](err), isAny(err, block.ErrNoSpace, unix.ENOSPC, unix.EDQUOT):
		return api.NoSpace
	case is[*inventory.InvalidError](err), is[*storage.NoImageError](err),
		is[*diskimage.FormatError](err), is[*backup.FormatError](err), is[*backup.VersionError](err),
		isAny(err, guestfs.ErrPath, guestfs.ErrKind, guestfs.ErrUnsupported, guestfs.ErrCorrupt):
		return api.Invalid
	case is[*inventory.NotFoundError](err), is[*storage.EarlierStateError](err), errors.Is(err, cow.ErrNotExist):
		return api.NotFound
	case is[*inventory.ExistsError](err), is[*inventory.VolumeExistsError](err), is[*inventory.InUseError](err),
		is[*inventory.UpdateError](err), is[*inventory.ModeError](err), is[*inventory.DataError](err), is[*storage.LimitError](err), is[*shelf.TakenError](err), isAny(err, cow.ErrInUse, cow.ErrDependents):
		return api.Conflict
	case errors.Is(err, exec.ErrNotFound):
		return api.Missing
	}
	return api.Internal
}

func is[E error](err error) bool {
	var e E
	return errors.As(err, &e)
}

func isAny(err error, of ...error) bool {
	return slices.ContainsFunc(of, func(e error) bool { return errors.Is(err, e) })
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
