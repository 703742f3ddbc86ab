package storage

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"bootes.dev/internal/diskimage"
	"bootes.dev/internal/inventory"
)

// Diff is how a disk differs from the image that it stands on, in bytes of whole
// blocks.
type Diff struct {
	Volume     inventory.Volume
	Against    string // the image
	Changed    int64  // written, and perhaps the same as before
	Zeroed     int64  // zeros now, and perhaps before
	Partitions []PartitionDiff
}

// PartitionDiff is the part of a Diff that lies in one partition; in Number 0,
// outside of all.
type PartitionDiff struct {
	diskimage.Partition
	Changed, Zeroed int64
}

// Diff compares a volume's snapshot, or the volume as it is now, with its image.
func (s *Storage) Diff(ctx context.Context, id, snapshot string) (Diff, error) {
	d, err := s.OpenState(ctx, id, snapshot)
	if err != nil {
		return Diff{}, err
	}
	defer d.Close()
	img, err := s.openBelow(ctx, d)
	if err != nil {
		return Diff{}, err
	}
	defer img.Close()
	// A table that cannot be read is as good as none: all is outside.
	table, err := diskimage.Partitions(d, d.Size())
	if err != nil {
		s.log.Warn("partition table cannot be read", "volume", id, "err", err)
	}
	out := Diff{Volume: d.Volume, Against: img.Image.Ref()}
	pieces := cut(table, d.Size())
	err = d.Changes(ctx, img, func(off, n int64, zero bool) error {
		if zero {
			out.Zeroed += n
		} else {
			out.Changed += n
		}
		pieces.count(off, n, zero)
		return ctx.Err()
	})
	if err != nil {
		return out, fmt.Errorf("compare volume %q with image %q: %w", id, out.Against, err)
	}
	out.Partitions = pieces.sums
	return out, nil
}

// NoImageError says that there is no image to compare a volume with.
type NoImageError struct{ Volume string }

func (e *NoImageError) Error() string {
	return fmt.Sprintf("volume %q stands on no image that is here: it was flattened, or came out of a backup; compare it with a snapshot of its own", e.Volume)
}

// openBelow opens the image that a volume's state stands on.
func (s *Storage) openBelow(ctx context.Context, d *Disk) (*Disk, error) {
	ref := d.Volume.At(d.Snapshot).Image
	if ref == "" {
		return nil, &NoImageError{d.Volume.ID}
	}
	return s.OpenImage(ctx, ref)
}

// pieces of a disk, each of one partition or of none, without gaps.
type pieces struct {
	ends []int64 // of the pieces, in order
	of   []int   // which of sums
	sums []PartitionDiff
}

// cut makes the pieces. Where partitions overlap, the one that begins first has
// what they share.
func cut(table []diskimage.Partition, size int64) *pieces {
	p := &pieces{sums: []PartitionDiff{{Partition: diskimage.Partition{Size: size}}}}
	for _, t := range table {
		p.sums = append(p.sums, PartitionDiff{Partition: t})
		p.sums[0].Size -= t.Size
	}
	order := make([]int, len(table))
	for i := range order {
		order[i] = i + 1
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(p.sums[a].Start, p.sums[b].Start) })
	at := int64(0)
	add := func(end int64, of int) {
		if end > at {
			p.ends, p.of, at = append(p.ends, end), append(p.of, of), end
		}
	}
	for _, i := range order {
		add(p.sums[i].Start, 0)
		add(p.sums[i].Start+p.sums[i].Size, i)
	}
	add(size, 0)
	p.sums[0].Size = max(0, p.sums[0].Size)
	return p
}

// count adds a run to the sums of the pieces that it touches.
func (p *pieces) count(off, n int64, zero bool) {
	i, _ := slices.BinarySearch(p.ends, off+1)
	for ; n > 0 && i < len(p.ends); i++ {
		part := min(n, p.ends[i]-off)
		sum := &p.sums[p.of[i]]
		if zero {
			sum.Zeroed += part
		} else {
			sum.Changed += part
		}
		off, n = off+part, n-part
	}
}
