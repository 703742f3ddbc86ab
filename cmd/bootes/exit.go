package main

import (
	"context"
	"errors"
	"io/fs"
	"os/exec"
	"syscall"

	"bootes.dev/internal/api"
	"bootes.dev/internal/config"
	"bootes.dev/internal/dhcp"
)

// Exit codes; `bootes help exit-codes` tells users.
const (
	exitOK          = 0
	exitFailure     = 1
	exitUsage       = 2
	exitNotFound    = 3
	exitRefused     = 4
	exitUnreachable = 5
	exitNoSpace     = 6
	exitMissing     = 7
	exitFaulty      = 8
	exitUnclear     = 9
	exitInterrupted = 130 // 128 + SIGINT, as shells have it
)

const exitCodesText = `  0    done
  1    failed; the message says why (also: an image is damaged)
  2    wrong use: the command line, the config file, or a file's contents
  3    not found: no such image, tag, machine, volume, snapshot, file or
       interface
  4    refused: a rule forbids it, or the thing is in use
       (a MAC of another machine, an image that machines boot, an open disk,
       a file that exists, a disk that would become smaller, a data folder or
       port that another program has, a network where another DHCP server
       answers)
  5    no server answered, or this user may not reach it
  6    not enough space on the disk
  7    something is missing on this computer: a program such as qemu-img or
       mmdebstrap, or the right to do it (not root, a file not readable)
  8    it was looked at as asked, and machines will not boot as things are
       (doctor, simulate, image check)
  9    whether a machine boots cannot be told from here (simulate)
  74   the server's disk is full: its store could not be written; the log
       says what to do
  130  ended by a signal (Ctrl-C); nothing half-made is left
`

// coded is an error that knows its exit code.
type coded struct {
	code int
	err  error
}

func (c *coded) Error() string { return c.err.Error() }
func (c *coded) Unwrap() error { return c.err }

// withCode gives err an exit code; nil stays nil.
func withCode(code int, err error) error {
	if err == nil {
		return nil
	}
	return &coded{code, err}
}

var codeOf = map[api.Kind]int{
	api.Invalid: exitUsage, api.NotFound: exitNotFound, api.Conflict: exitRefused, api.Forbidden: exitRefused,
	api.NoSpace: exitNoSpace, api.Missing: exitMissing, api.Unavailable: exitUnreachable, api.Internal: exitFailure,
}

// exitCode tells how the process ends after err.
func exitCode(err error) int {
	var c *coded
	var e *api.Error
	var u *api.Unreachable
	var faults config.Faults
	var syntax *config.SyntaxError
	var rival *dhcp.RivalError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &c):
		return c.code
	case errors.As(err, &e):
		return codeOf[e.Kind()]
	case errors.As(err, &u):
		return exitUnreachable
	case errors.As(err, &faults), errors.As(err, &syntax):
		return exitUsage
	case errors.Is(err, context.Canceled):
		return exitInterrupted
	case errors.Is(err, exec.ErrNotFound):
		return exitMissing
	case errors.Is(err, fs.ErrNotExist):
		return exitNotFound
	case errors.Is(err, fs.ErrPermission):
		return exitMissing
	case errors.Is(err, api.ErrInUse), errors.Is(err, syscall.EADDRINUSE), errors.As(err, &rival):
		return exitRefused
	}
	return exitFailure
}
