package main

import (
	"cmp"
	"context"
	"strings"

	"bootes.dev/internal/api"
)

// place is a volume, or what it was at a snapshot.
type place struct {
	api.Volume
	snapshot string
}

func (p place) disk() api.Disk { return api.Disk{Volume: p.ID, Snapshot: p.snapshot} }

// volume is what people call the volume: the machine's name, which does not
// mean the copy of an image that the machine updates.
func (p place) volume() string {
	if p.Machine == "" || p.Mode == api.Updating {
		return p.ID
	}
	return p.Machine
}

// name is what people call it.
func (p place) name() string {
	name := p.volume()
	if p.snapshot != "" {
		name += "@" + p.snapshot
	}
	return name
}

// findPlace finds what VOLUME[@SNAPSHOT] means.
func (a *app) findPlace(ctx context.Context, arg string) (place, error) {
	name, snapshot, at := strings.Cut(arg, "@")
	if at && snapshot == "" {
		return place{}, usage("%q names no snapshot: write VOLUME@SNAPSHOT, such as pc01@before-upgrade", arg)
	}
	v, err := a.findVolume(ctx, name)
	return place{v, snapshot}, err
}

// findWhole is findPlace where a snapshot makes no sense.
func (a *app) findWhole(ctx context.Context, arg string) (place, error) {
	if name, snapshot, at := strings.Cut(arg, "@"); at {
		return place{}, usage("%q is a snapshot: this goes for the whole volume %q", "@"+snapshot, name)
	}
	return a.findPlace(ctx, arg)
}

// splitVolumePath parts VOLUME[@SNAPSHOT]:PATH.
func splitVolumePath(arg string) (volume, path string, err error) {
	volume, path, ok := strings.Cut(arg, ":")
	if !ok || volume == "" {
		return "", "", usage("%q names no file: write VOLUME:PATH, such as pc01:/etc/hostname", arg)
	}
	return volume, orRoot(path), nil
}

// splitImagePath parts NAME:TAG:PATH.
func splitImagePath(arg string) (ref, path string, err error) {
	parts := strings.SplitN(arg, ":", 3)
	if len(parts) < 3 || parts[0] == "" || parts[1] == "" {
		return "", "", usage("%q names no file: write NAME:TAG:PATH, such as debian:12:/etc/os-release", arg)
	}
	return parts[0] + ":" + parts[1], orRoot(parts[2]), nil
}

func orRoot(path string) string { return cmp.Or(path, "/") }
