package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"

	"bootes.dev/internal/api"
	"bootes.dev/internal/backup"
	"bootes.dev/internal/block"
	"bootes.dev/internal/cow"
	"bootes.dev/internal/diskimage"
	"bootes.dev/internal/guestfs"
	"bootes.dev/internal/inventory"
	"bootes.dev/internal/storage"
)

func TestAPIErrorKinds(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want api.Kind
	}{
		{&inventory.InvalidError{}, api.Invalid},
		{&diskimage.FormatError{Err: errors.New("x")}, api.Invalid},
		{&inventory.NotFoundError{}, api.NotFound},
		{&inventory.ExistsError{}, api.Conflict},
		{cow.ErrInUse, api.Conflict},
		{&inventory.UpdateError{}, api.Conflict},
		{&inventory.ModeError{}, api.Conflict},
		{&inventory.VolumeExistsError{}, api.Conflict},
		{&storage.LimitError{}, api.Conflict},
		{&storage.EarlierStateError{}, api.NotFound},
		{&storage.NoImageError{}, api.Invalid},
		{&backup.FormatError{Err: errors.New("x")}, api.Invalid},
		{&backup.VersionError{}, api.Invalid},
		{guestfs.ErrKind, api.Invalid},
		{guestfs.ErrCorrupt, api.Invalid},
		{&storage.NoRoomError{}, api.NoSpace},
		{block.ErrNoSpace, api.NoSpace},
		{unix.ENOSPC, api.NoSpace},
		{exec.ErrNotFound, api.Missing},
		{errors.New("x"), api.Internal},
	} {
		var got *api.Error
		if err := apiError(fmt.Errorf("do it: %w", tt.err)); !errors.As(err, &got) || got.Kind() != tt.want {
			t.Errorf("%T %v: got %v, want %s", tt.err, tt.err, err, tt.want)
		}
	}
	// The API itself tells a client what was cancelled.
	if err := apiError(fmt.Errorf("do it: %w", context.Canceled)); errors.As(err, new(*api.Error)) {
		t.Errorf("cancelled: %#v", err)
	}
}
