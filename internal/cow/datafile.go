package cow

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"

	"bootes.dev/internal/block"
	"bootes.dev/internal/cow/vfs"
	"github.com/google/uuid"
)

// A data file holds block X of the disk at offset 4096·X, and behind the last
// block a trailer that says whose it is, so that files that somebody mixed up
// are found out:
//
//	 0  "BTCOWDAT"
//	 8  version, 4 bytes
//	12  crc32c of bytes 16 to 39
//	16  ID of the layer or overlay, 16 bytes
//	32  size of the disk in bytes, 8 bytes
//	40  zeros, up to 4096
const (
	trailerMagic = "BTCOWDAT"
	trailerUsed  = 40
)

// dataLength of the blocks of a disk: whole ones, so that the last can be read
// whole.
func dataLength(size int64) int64 { return blocksFor(size) << blockShift }

func encodeTrailer(id uuid.UUID, size int64) []byte {
	p := make([]byte, BlockSize)
	copy(p, trailerMagic)
	binary.LittleEndian.PutUint32(p[8:], FormatVersion)
	copy(p[16:], id[:])
	binary.LittleEndian.PutUint64(p[32:], uint64(size))
	binary.LittleEndian.PutUint32(p[12:], crc32.Checksum(p[16:trailerUsed], castagnoli))
	return p
}

// checkTrailer returns block.ErrCorrupt if p is not the trailer of this disk.
func checkTrailer(p []byte, id uuid.UUID, size int64) error {
	bad := func(why string) error { return fmt.Errorf("data file: %s: %w", why, block.ErrCorrupt) }
	le := binary.LittleEndian
	if len(p) < trailerUsed || string(p[:8]) != trailerMagic {
		return bad("no trailer")
	}
	if v := le.Uint32(p[8:]); v != FormatVersion {
		return fmt.Errorf("data file: version %d: %w", v, ErrVersion)
	}
	if crc32.Checksum(p[16:trailerUsed], castagnoli) != le.Uint32(p[12:]) {
		return bad("the trailer has a wrong sum")
	}
	if uuid.UUID(p[16:32]) != id {
		return bad(fmt.Sprintf("it belongs to %s", uuid.UUID(p[16:32])))
	}
	if le.Uint64(p[32:]) != uint64(size) {
		return bad(fmt.Sprintf("it is of a disk of %d bytes, not %d", le.Uint64(p[32:]), size))
	}
	return nil
}

// createData makes an empty data file, synced if asked for.
func createData(fs vfs.FS, name string, id uuid.UUID, size int64, sync bool) (vfs.File, error) {
	f, err := fs.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL)
	if err != nil {
		return nil, err
	}
	err = f.Truncate(dataLength(size) + BlockSize)
	if err == nil {
		_, err = f.WriteAt(encodeTrailer(id, size), dataLength(size))
	}
	if err == nil && sync {
		err = f.Sync()
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// openData opens a data file and refuses one of the wrong length or owner.
func openData(fs vfs.FS, name string, id uuid.UUID, size int64, flag int) (vfs.File, error) {
	f, err := fs.OpenFile(name, flag)
	if err != nil {
		return nil, missing(err)
	}
	if err := checkData(f, id, size); err != nil {
		return nil, errors.Join(fmt.Errorf("%q: %w", name, err), f.Close())
	}
	return f, nil
}

func checkData(f vfs.File, id uuid.UUID, size int64) error {
	fi, err := f.Stat()
	if err != nil {
		return err
	}
	if want := dataLength(size) + BlockSize; fi.Size != want {
		return fmt.Errorf("data file has %d bytes, not %d: %w", fi.Size, want, block.ErrCorrupt)
	}
	var p [trailerUsed]byte
	if _, err := readFull(f, p[:], dataLength(size)); err != nil {
		return err
	}
	return checkTrailer(p[:], id, size)
}

// missing makes the absence of a file that must be there corruption.
func missing(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%w: %w", block.ErrCorrupt, err)
	}
	return noSpace(err)
}

// readFull treats a file that ends too early as corrupt: data files have
// their full length from the start.
func readFull(f vfs.File, p []byte, off int64) (int, error) {
	n, err := f.ReadAt(p, off)
	if n == len(p) {
		return n, nil
	}
	return n, ioError(err)
}
