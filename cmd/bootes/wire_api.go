package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/netip"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"bootes.dev/internal/api"
	"bootes.dev/internal/block"
	"bootes.dev/internal/cow"
	"bootes.dev/internal/diskimage"
	"bootes.dev/internal/inventory"
	"bootes.dev/internal/iscsi"
	"bootes.dev/internal/storage"
)

func (h *house) apiOptions(target *iscsi.Server) api.Options {
	return api.Options{
		Images:   images{h},
		Machines: machines{h},
		Volumes:  volumes{h, target},
		Boots:    h.rec,
		Version:  version(),
		Log:      h.log,
		Tags:     tags{h},
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
	case errors.As(err, &invalid), errors.As(err, &badDisk):
		kind = api.Invalid
	case errors.As(err, &missing), errors.Is(err, cow.ErrNotExist):
		kind = api.NotFound
	case errors.As(err, &exists), errors.As(err, &inUse), errors.As(err, &update), errors.Is(err, cow.ErrInUse), errors.Is(err, cow.ErrDependents):
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

type images struct{ *house }

func apiImage(i inventory.Image) api.Image {
	return api.Image{
		Ref: i.Ref(), Digest: i.Digest, Layer: i.Layer, Size: i.Size, Stored: i.Stored,
		Source: i.Source, Identity: i.Identity, Created: i.Created,
	}
}

func (h images) Images(ctx context.Context) ([]api.Image, error) {
	all, err := h.inv.Images(ctx)
	return each(all, err, apiImage)
}

func (h images) Image(ctx context.Context, ref string) (api.Image, error) {
	i, err := h.inv.Resolve(ctx, ref)
	return apiImage(i), apiError(err)
}

func (h images) ImportImage(ctx context.Context, job api.Import, progress func(api.Progress)) (api.Image, error) {
	if err := h.inv.CheckNewImage(ctx, job.Ref); err != nil {
		return api.Image{}, apiError(err)
	}
	step := func(name string) func(done, total int64) {
		return func(done, total int64) { progress(api.Progress{Step: name, Done: done, Total: total}) }
	}
	src, err := diskimage.Open(ctx, job.Path, diskimage.Options{
		TmpDir: filepath.Join(h.cfg.Data, "tmp"), Room: h.storage.RoomToConvert, Progress: step("convert"),
	})
	if err != nil {
		return api.Image{}, apiError(err)
	}
	defer src.Close()
	i, err := h.storage.ImportImage(ctx, job.Ref, src, storage.Meta{Source: job.Source, Identity: job.Identity}, step("import"))
	return apiImage(i), apiError(err)
}

func (h images) RemoveImage(ctx context.Context, ref string) error {
	return apiError(h.storage.RemoveImage(ctx, ref))
}

type machines struct{ *house }

func apiMachine(m inventory.Machine) api.Machine {
	var public []string
	for name, key := range m.Identity.HostKeys {
		if strings.HasSuffix(name, ".pub") {
			public = append(public, strings.TrimSpace(key))
		}
	}
	slices.Sort(public)
	address := ""
	if m.Address.IsValid() {
		address = m.Address.String()
	}
	return api.Machine{
		Name: m.Name, MACs: m.MACs, UUID: m.UUID, Address: address, Image: m.Image, Mode: string(m.Mode), Limit: m.Limit,
		MachineID: m.Identity.MachineID, HostKeys: public, Created: m.Created,
	}
}

func (h machines) Machines(ctx context.Context) ([]api.Machine, error) {
	all, err := h.inv.Machines(ctx)
	return each(all, err, apiMachine)
}

func (h machines) Machine(ctx context.Context, name string) (api.Machine, error) {
	m, err := h.inv.Machine(ctx, name)
	return apiMachine(m), apiError(err)
}

func (h machines) AddMachine(ctx context.Context, n api.NewMachine) (api.Machine, error) {
	mode := n.Mode
	if mode == "" {
		mode = api.Persistent
	}
	limit := h.cfg.Limits.Volume
	set(&limit, n.Limit)
	address, err := parseAddress(n.Address)
	if err != nil {
		return api.Machine{}, err
	}
	m, err := h.inv.AddMachine(ctx, inventory.Machine{
		Name: n.Name, MACs: n.MACs, UUID: n.UUID, Address: address, Image: n.Image, Mode: inventory.Mode(mode), Limit: limit,
	})
	return apiMachine(m), apiError(err)
}

func (h machines) SetMachine(ctx context.Context, name string, c api.MachineChange) (api.Machine, error) {
	m, err := h.inv.SetMachine(ctx, name, func(m *inventory.Machine) error {
		if len(c.MACs) > 0 {
			m.MACs = c.MACs
		}
		set(&m.UUID, c.UUID)
		set(&m.Image, c.Image)
		set(&m.Limit, c.Limit)
		if c.Address != nil {
			address, err := parseAddress(*c.Address)
			if err != nil {
				return err
			}
			m.Address = address
		}
		if c.Mode != nil {
			m.Mode = inventory.Mode(*c.Mode)
		}
		return nil
	})
	return apiMachine(m), apiError(err)
}

// parseAddress reads an address to keep; empty is none.
func parseAddress(s string) (netip.Addr, error) {
	if s == "" {
		return netip.Addr{}, nil
	}
	a, err := netip.ParseAddr(s)
	if err != nil || !a.Is4() {
		return a, api.Errorf(api.Invalid, "address %q is no IPv4 address", s)
	}
	return a, nil
}

// set changes what was given.
func set[T any](to *T, from *T) {
	if from != nil {
		*to = *from
	}
}

func (h machines) RemoveMachine(ctx context.Context, name string) error {
	return apiError(h.storage.RemoveMachine(ctx, name))
}

type volumes struct {
	*house
	target *iscsi.Server
}

func (h volumes) apiVolume(v inventory.Volume) api.Volume {
	out := api.Volume{
		ID: v.ID, Machine: v.Machine, Image: v.Image, Digest: v.Digest, Mode: string(v.Mode),
		Limit: v.Limit, Boot: v.Boot, Created: v.Created,
	}
	if info, err := h.engine.Volume(v.ID); err == nil {
		out.Size, out.Stored, out.Open = info.Size, info.Stored, info.Open
	}
	out.ReadBytes, out.WrittenBytes = h.sessions.moved(h.target.Sessions(), v.ID)
	return out
}

func (h volumes) Volumes(ctx context.Context) (api.VolumeList, error) {
	all, err := h.inv.Volumes(ctx)
	list, err := each(all, err, h.apiVolume)
	return api.VolumeList{Volumes: list, Freeing: h.engine.Freeing()}, err
}

func (h volumes) Volume(ctx context.Context, id string) (api.Volume, error) {
	v, err := h.inv.Volume(ctx, id)
	if err != nil {
		return api.Volume{}, apiError(err)
	}
	return h.apiVolume(v), nil
}

func (h volumes) SetVolume(ctx context.Context, id string, c api.VolumeChange) (api.Volume, error) {
	if c.Limit == nil {
		return h.Volume(ctx, id)
	}
	v, err := h.storage.SetLimit(ctx, id, *c.Limit)
	if err != nil {
		return api.Volume{}, apiError(err)
	}
	return h.apiVolume(v), nil
}

func (h volumes) RemoveVolume(ctx context.Context, id string) error {
	return apiError(h.storage.RemoveVolume(ctx, id, false))
}

// diskUUID derives a disk's identifier from the name of its volume, so that it
// is the same for the volume's life.
func diskUUID(name string) (id [16]byte) {
	h := sha256.Sum256([]byte("bootes disk " + name))
	copy(id[:], h[:])
	return id
}
