package storage

import (
	"cmp"
	"context"

	"bootes.dev/internal/cow"
	"bootes.dev/internal/inventory"
)

// ImageInfo is an image with what is known of its layer.
type ImageInfo struct {
	inventory.Image
	Layer  cow.LayerInfo // the zero one: it cannot be read
	Parent string        // image that it is built on; "": none
	Own    int64         // bytes of blocks in its layers down to those of Parent
	Stored int64         // bytes that those occupy
	Tags   []string      // that point to it
}

// Images are all images in the order of their names.
func (s *Storage) Images(ctx context.Context) ([]ImageInfo, error) {
	images, err := s.inv.Images(ctx)
	if err != nil {
		return nil, err
	}
	return s.describeImages(ctx, images, images)
}

// Image is what ref means now, an image or a tag.
func (s *Storage) Image(ctx context.Context, ref string) (ImageInfo, error) {
	img, err := s.inv.Resolve(ctx, ref)
	if err != nil {
		return ImageInfo{}, err
	}
	images, err := s.inv.Images(ctx)
	if err != nil {
		return ImageInfo{}, err
	}
	list, err := s.describeImages(ctx, []inventory.Image{img}, images)
	if err != nil {
		return ImageInfo{}, err
	}
	return list[0], nil
}

func (s *Storage) describeImages(ctx context.Context, some, all []inventory.Image) ([]ImageInfo, error) {
	names, err := s.inv.Names(ctx)
	if err != nil {
		return nil, err
	}
	layers, parents := map[string]cow.LayerInfo{}, lineage{}
	for _, l := range s.eng.Layers() {
		layers[l.ID], parents[l.ID] = l, l.Parent
	}
	list := make([]ImageInfo, 0, len(some))
	for _, i := range some {
		info := ImageInfo{Image: i, Layer: layers[i.Layer], Tags: names.Tags(i.Ref())}
		below := parents.image(info.Layer.Parent, all, "")
		if below.Layer != "" {
			info.Parent = below.Ref()
		}
		for id, left := i.Layer, len(layers); id != below.Layer && left > 0; id, left = parents[id], left-1 {
			info.Own += layers[id].Own
			info.Stored += layers[id].Stored
		}
		list = append(list, info)
	}
	return list, nil
}

// VolumeInfo is a volume with what is known of its disk.
type VolumeInfo struct {
	inventory.Volume
	Disk      cow.VolumeInfo // the zero one: it cannot be read
	Stored    int64          // bytes that would be freed if it were removed
	Written   int64          // bytes of blocks that it has beyond Since
	Since     string         // a snapshot of it, or an image, whose name has a colon; "": neither
	Snapshots []Snapshot     // oldest first
	Attached  []inventory.Seat
	Newer     string // image that its Ref means now, if another; "" also if it needs nobody to take it
}

// Volumes are all volumes in the order of their IDs.
func (s *Storage) Volumes(ctx context.Context) ([]VolumeInfo, error) {
	volumes, err := s.inv.Volumes(ctx)
	if err != nil {
		return nil, err
	}
	return s.describeVolumes(ctx, volumes)
}

// Volume is one volume by ID.
func (s *Storage) Volume(ctx context.Context, id string) (VolumeInfo, error) {
	v, err := s.inv.Volume(ctx, id)
	if err != nil {
		return VolumeInfo{}, err
	}
	list, err := s.describeVolumes(ctx, []inventory.Volume{v})
	if err != nil {
		return VolumeInfo{}, err
	}
	return list[0], nil
}

func (s *Storage) describeVolumes(ctx context.Context, some []inventory.Volume) ([]VolumeInfo, error) {
	names, err := s.inv.Names(ctx)
	if err != nil {
		return nil, err
	}
	images, err := s.inv.Images(ctx)
	if err != nil {
		return nil, err
	}
	digests := map[string]string{}
	for _, i := range images {
		digests[i.Layer] = i.Digest
	}
	seats, err := s.inv.Seats(ctx)
	if err != nil {
		return nil, err
	}
	b := newBill(images, s.eng.Layers(), s.eng.Volumes())
	list := make([]VolumeInfo, 0, len(some))
	for _, v := range some {
		v.Digest = cmp.Or(v.Digest, digests[v.Layer])
		info := VolumeInfo{Volume: v, Disk: b.volumes[v.ID], Stored: b.volume(v.ID).Own, Attached: seats[v.ID], Newer: names.Newer(v)}
		info.Written, info.Since = b.written(info.Disk, images)
		for _, i := range info.Disk.Snapshots {
			info.Snapshots = append(info.Snapshots, snapshotOf(v, i))
		}
		list = append(list, info)
	}
	return list, nil
}
