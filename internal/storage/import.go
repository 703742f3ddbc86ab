package storage

import (
	"context"
	"errors"
	"fmt"
	"io"

	"golang.org/x/sys/unix"

	"bootes.dev/internal/block"
	"bootes.dev/internal/bytesize"
	"bootes.dev/internal/cow"
	"bootes.dev/internal/diskspace"
	"bootes.dev/internal/inventory"
)

// Source is a disk image to read.
type Source interface {
	io.ReaderAt
	Size() int64 // a multiple of block.SectorSize
}

// extenter is a Source that knows where its data lies. Extent returns the next
// piece of data that ends after off, or io.EOF when only zeros follow.
type extenter interface {
	Extent(off int64) (start, end int64, err error)
}

// Meta is what an image's record says beyond the disk itself.
type Meta struct {
	Source   string // where it came from, for people
	Identity bool   // takes its identity from LUN 1
	Base     string // image or tag: only blocks that differ from it are stored
	Kind     string // "" for a disk, or inventory.CDROM
}

// chunk is the unit of copying: what was read is still in the processor's cache
// when it is looked at and written.
const chunk = 256 << 10

// ImportImage copies src into a new sealed layer and records it as ref.
// progress, if not nil, is told of the bytes done and to do. When it fails or
// ctx ends, nothing is left. The digest follows.
func (s *Storage) ImportImage(ctx context.Context, ref string, src Source, meta Meta, progress func(done, total int64)) (inventory.Image, error) {
	name, tag, err := inventory.ParseRef(ref)
	if err != nil {
		return inventory.Image{}, err
	}
	if err := checkKind(ref, src, meta.Kind); err != nil {
		return inventory.Image{}, err
	}
	release, err := s.newImage(ctx, ref, "")
	if err != nil {
		return inventory.Image{}, err
	}
	defer release()
	base, unpin, err := s.base(ctx, ref, meta.Base)
	if err != nil {
		return inventory.Image{}, err
	}
	defer unpin()
	layer, err := s.importLayer(ctx, src, base, progress)
	if err != nil {
		return inventory.Image{}, fmt.Errorf("import image %q: %w", ref, err)
	}
	// Not with ctx: a commit cut short may happen all the same.
	img, err := s.inv.AddImage(context.WithoutCancel(ctx), inventory.Image{
		Name: name, Tag: tag, Layer: layer.ID, Digest: layer.Digest, Size: layer.Size, Stored: layer.Stored,
		Source: meta.Source, Identity: meta.Identity, Kind: meta.Kind,
	})
	if inventory.Refused(err) { // otherwise the image may be on record
		err = errors.Join(err, s.eng.RemoveLayer(layer.ID))
	}
	if err != nil {
		return img, err
	}
	return img, s.catchUp(ctx, img)
}

// discBlock is the size of an optical disc's blocks.
const discBlock = 2048

func checkKind(ref string, src Source, kind string) error {
	if kind != inventory.CDROM || src.Size()%discBlock == 0 {
		return nil
	}
	return &inventory.InvalidError{What: "CD-ROM", Value: ref, Want: fmt.Sprintf("its size is a multiple of %d bytes, and this file has %d: is it an ISO image, and whole?", discBlock, src.Size())}
}

// base is the layer that an image in the making is to stand on, "" for none. It
// stays until unpin is called.
func (s *Storage) base(ctx context.Context, ref, base string) (layer string, unpin func(), err error) {
	if base == "" {
		return "", func() {}, nil
	}
	s.names.RLock()
	defer s.names.RUnlock()
	img, err := s.inv.Resolve(ctx, base)
	if err != nil {
		return "", nil, err
	}
	return img.Layer, s.pins.add(ref, img.Layer), nil
}

func (s *Storage) importLayer(ctx context.Context, src Source, base string, progress func(done, total int64)) (cow.LayerInfo, error) {
	pieces, total, err := extents(src)
	if err != nil {
		return cow.LayerInfo{}, fmt.Errorf("find its data: %w", err)
	}
	if err := s.checkRoom(src.Size(), total, 1); err != nil {
		return cow.LayerInfo{}, err
	}
	b, err := s.eng.NewLayerOn(base, src.Size())
	if err != nil {
		return cow.LayerInfo{}, err
	}
	b.SkipSame(true)
	b.HashLater(true)
	dst := &gapless{dst: b, fill: base != ""}
	c := copier{src: src, dst: dst, total: total, progress: told(progress)}
	err = c.copy(ctx, pieces)
	if err == nil {
		err = dst.end(src.Size())
	}
	if err != nil {
		return cow.LayerInfo{}, errors.Join(s.explain(err, total), b.Abort())
	}
	layer, err := b.Seal(ctx)
	if err != nil {
		return layer, errors.Join(s.explain(err, total), b.Abort())
	}
	return layer, nil
}

// told is progress, or what takes its place if it is nil.
func told(progress func(done, total int64)) func(done, total int64) {
	if progress == nil {
		return func(done, total int64) {}
	}
	return progress
}

// RoomToConvert refuses a disk of size bytes with so many bytes of data that
// cannot be converted and imported: for a while there are two copies.
func (s *Storage) RoomToConvert(size, data int64) error { return s.checkRoom(size, data, 2) }

// RoomToCopy refuses a disk of size bytes with so many bytes of data that does
// not fit so many times more.
func (s *Storage) RoomToCopy(size, data, times int64) error { return s.checkRoom(size, data, times) }

// checkRoom refuses what cannot fit before anything is written.
func (s *Storage) checkRoom(size, data, copies int64) error {
	free, err := s.free()
	if err != nil {
		return err
	}
	if data > (free-s.o.MinFree)/copies {
		return &NoRoomError{Dir: s.o.Dir, Size: size, Data: data, Copies: copies, Free: free, Keep: s.o.MinFree}
	}
	return nil
}

// free is how many bytes of the data folder's file system may still be used.
func (s *Storage) free() (int64, error) {
	on, err := diskspace.Of(s.o.Dir)
	if err != nil {
		return 0, fmt.Errorf("look at the free space: %w", err)
	}
	return on.Free, nil
}

// explain puts "no space" into the words of checkRoom: someone else filled
// the disk meanwhile, or the data was larger than its extents said.
func (s *Storage) explain(err error, data int64) error {
	if !errors.Is(err, unix.ENOSPC) && !errors.Is(err, unix.EDQUOT) && !errors.Is(err, block.ErrNoSpace) {
		return err
	}
	return fmt.Errorf("the disk under %q ran full while %s were copied: make room or remove volumes and images: %w", s.o.Dir, bytesize.Format(data), err)
}

// NoRoomError says that an image does not fit, and by how much.
type NoRoomError struct {
	Dir        string
	Size, Data int64 // of the disk, and of the data in it
	Copies     int64 // of the data, that are there at once
	Free, Keep int64 // on the file system, and what must stay free of it
}

func (e *NoRoomError) Error() string {
	times := ""
	if e.Copies > 1 {
		times = fmt.Sprintf(" (%d times that while it is converted)", e.Copies)
	}
	return fmt.Sprintf("too large for the disk: it is a disk of %s with %s of data%s, and the file system of %q has %s free, of which %s must stay free: make room, or move the data folder to a larger disk",
		bytesize.Format(e.Size), bytesize.Format(e.Data), times, e.Dir, bytesize.Format(e.Free), bytesize.Format(e.Keep))
}
