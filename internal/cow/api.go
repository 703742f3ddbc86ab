// Package cow is the local copy-on-write engine.
package cow

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"bootes.dev/internal/block"
)

var errTODO = errors.New("not implemented yet")

type Options struct {
	Log     *slog.Logger
	MinFree int64
}

type Engine struct{}

func Open(dir string, o Options) (*Engine, error) { return nil, errTODO }
func (e *Engine) Close() error                    { return errTODO }
func (e *Engine) BootChanged() bool               { return false }

type LayerInfo struct {
	ID, Parent   string
	Size, Stored int64
	Digest       string
	Created      time.Time
}
type LayerBuilder struct{}

func (e *Engine) NewLayer(size int64) (*LayerBuilder, error)           { return nil, errTODO }
func (b *LayerBuilder) WriteAt(p []byte, off int64) (n int, err error) { return 0, errTODO }
func (b *LayerBuilder) Seal(ctx context.Context) (LayerInfo, error)    { return LayerInfo{}, errTODO }
func (b *LayerBuilder) Abort() error                                   { return errTODO }

// Layer is a sealed layer opened for reading, a block.Device.
type Layer struct{ block.Device }

func (l *Layer) Close() error { return errTODO }

func (e *Engine) Layers() []LayerInfo                              { return nil }
func (e *Engine) Layer(id string) (LayerInfo, error)               { return LayerInfo{}, errTODO }
func (e *Engine) OpenLayer(id string) (*Layer, error)              { return nil, errTODO }
func (e *Engine) RemoveLayer(id string) error                      { return errTODO }
func (e *Engine) VerifyLayer(ctx context.Context, id string) error { return errTODO }

type VolumeSpec struct {
	ID, Base string
	Size     int64
	Volatile bool
	Limit    int64
}
type VolumeInfo struct {
	VolumeSpec
	Stored  int64
	Created time.Time
	Open    bool
}

// Volume is a writable copy-on-write disk, a block.Device.
type Volume struct{ block.Device }

type VolumeStats struct {
	Reads, Writes, ReadBytes, WrittenBytes, Stored int64
}

func (v *Volume) Close() error       { return errTODO }
func (v *Volume) Stats() VolumeStats { return VolumeStats{} }

func (e *Engine) CreateVolume(s VolumeSpec) (VolumeInfo, error) { return VolumeInfo{}, errTODO }
func (e *Engine) Volumes() []VolumeInfo                         { return nil }
func (e *Engine) Volume(id string) (VolumeInfo, error)          { return VolumeInfo{}, errTODO }
func (e *Engine) OpenVolume(id string) (*Volume, error)         { return nil, errTODO }
func (e *Engine) RemoveVolume(id string) error                  { return errTODO }
func (e *Engine) SetLimit(id string, limit int64) error         { return errTODO }
func (e *Engine) Freeing() int64                                { return 0 }

// Errors that a caller branches on, by errors.Is.
var (
	ErrInUse      = errors.New("in use")
	ErrNotExist   = errors.New("does not exist")
	ErrExist      = errors.New("exists already")
	ErrDependents = errors.New("still needed")
)
