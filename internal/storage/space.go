package storage

import (
	"context"
	"fmt"
	"slices"

	"bootes.dev/internal/cow"
	"bootes.dev/internal/diskspace"
	"bootes.dev/internal/inventory"
)

// Share is what one image or volume takes on disk, in bytes.
type Share struct {
	Virtual int64 // the size that its machine sees
	Own     int64 // freed if it were removed, with its snapshots
	Shared  int64 // that others stand on, too
}

// ImageShare is the share of an image.
type ImageShare struct {
	inventory.Image
	Share
}

// VolumeShare is the share of a volume, and how near its limit it is. If its
// disk cannot be read, Virtual is 0.
type VolumeShare struct {
	inventory.Volume
	Share
	Used       int64 // bytes that count for the limit
	Open       bool
	NearlyFull bool  // as Watch sees it, also while it is not open
	Warnings   int64 // that Watch gave of its limit, since the server's start
}

// Overview says where the bytes are.
type Overview struct {
	Dir        string
	Capacity   int64 // of its file system
	Free       int64 // of that, what an ordinary user could still write
	MinFree    int64 // of that, what volumes and images may not take
	Freeing    int64 // occupied by what was removed
	NearlyFull bool  // Free is near MinFree, as Watch sees it
	Total      int64 // that all images and volumes take together, each byte once
	Images     []ImageShare
	Volumes    []VolumeShare
}

// Space is the overview of now.
func (s *Storage) Space(ctx context.Context) (Overview, error) {
	on, err := diskspace.Of(s.o.Dir)
	if err != nil {
		return Overview{}, fmt.Errorf("look at the free space: %w", err)
	}
	images, err := s.inv.Images(ctx)
	if err != nil {
		return Overview{}, err
	}
	volumes, err := s.inv.Volumes(ctx)
	if err != nil {
		return Overview{}, err
	}
	b := newBill(images, s.eng.Layers(), s.eng.Volumes())
	o := Overview{
		Dir: s.o.Dir, Capacity: on.Capacity, Free: on.Free, MinFree: s.o.MinFree,
		Freeing: s.eng.Freeing(), NearlyFull: s.nearlyFull(on.Free), Total: b.total,
	}
	full := s.opened.full()
	for _, i := range images {
		o.Images = append(o.Images, ImageShare{i, b.image(i)})
	}
	for _, v := range volumes {
		o.Volumes = append(o.Volumes, s.volumeShare(v, b, full[v.ID]))
	}
	return o, nil
}

func (s *Storage) volumeShare(v inventory.Volume, b *bill, wasFull bool) VolumeShare {
	used := b.volumes[v.ID].Private
	return VolumeShare{
		Volume: v, Share: b.volume(v.ID), Used: used, Open: b.volumes[v.ID].Open,
		NearlyFull: s.nearlyAt(wasFull, used, v.Limit), Warnings: s.warned.count(v.ID),
	}
}

// bill divides layers among those who stand on them. A layer that stays when
// the one asked for goes is shared.
type bill struct {
	layers  map[string]cow.LayerInfo
	volumes map[string]cow.VolumeInfo
	above   map[string]int // how many need a layer: images, volumes, layers on it
	total   int64
}

func newBill(images []inventory.Image, layers []cow.LayerInfo, volumes []cow.VolumeInfo) *bill {
	b := &bill{layers: map[string]cow.LayerInfo{}, volumes: map[string]cow.VolumeInfo{}, above: map[string]int{}}
	for _, i := range images {
		b.above[i.Layer]++
	}
	for _, l := range layers {
		b.layers[l.ID] = l
		b.above[l.Parent]++
		if l.Kept && b.above[l.ID] == 0 { // of an image that is not on record
			b.above[l.ID]++
		}
		b.total += l.Stored
	}
	for _, v := range volumes {
		b.volumes[v.ID] = v
		for layer := range needs(v) {
			b.above[layer]++
		}
		b.total += v.Stored
	}
	return b
}

// needs are the layers that a volume and its snapshots name.
func needs(v cow.VolumeInfo) map[string]bool {
	named := map[string]bool{v.Base: true}
	for _, snap := range v.Snapshots {
		named[snap.Layer] = true
	}
	delete(named, "")
	return named
}

func (b *bill) image(i inventory.Image) Share {
	return b.divide(Share{Virtual: i.Size}, map[string]bool{i.Layer: true})
}

func (b *bill) volume(id string) Share {
	v := b.volumes[id]
	return b.divide(Share{Virtual: v.Size, Own: v.Stored}, needs(v))
}

// divide adds to s what would go with the names, and what else lies below them.
func (b *bill) divide(s Share, named map[string]bool) Share {
	dropped, own := map[string]int{}, map[string]bool{}
	var drop func(id string)
	drop = func(id string) {
		l, ok := b.layers[id]
		if dropped[id]++; !ok || dropped[id] < b.above[id] {
			return
		}
		own[id] = true
		s.Own += l.Stored
		drop(l.Parent)
	}
	for id := range named {
		drop(id)
	}
	shared := map[string]bool{}
	for id := range named {
		for l, ok := b.layers[id]; ok && !shared[l.ID]; l, ok = b.layers[l.Parent] {
			if shared[l.ID] = true; !own[l.ID] {
				s.Shared += l.Stored
			}
		}
	}
	return s
}

// written is how many bytes of blocks a volume has beyond the nearest state
// below that has a name: a snapshot of its own, or an image. Looking at a
// volume's state seals what was written so far into a layer without one.
func (b *bill) written(v cow.VolumeInfo, images []inventory.Image) (n int64, since string) {
	n = v.Own
	for id, left := v.Base, len(b.layers); id != "" && left > 0; id, left = b.layers[id].Parent, left-1 {
		for _, s := range v.Snapshots {
			if s.Layer == id {
				since = s.Name
			}
		}
		if i := slices.IndexFunc(images, func(i inventory.Image) bool { return i.Layer == id }); since == "" && i >= 0 {
			since = images[i].Ref()
		}
		if since != "" || b.layers[id].Kept || b.above[id] > 1 {
			break
		}
		n += b.layers[id].Own
	}
	return n, since
}
