package cow

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path"

	"bootes.dev/internal/block"
	"bootes.dev/internal/cow/vfs"
	"github.com/google/uuid"
)

// A data file holds block X of the disk at offset 4096·X, and behind the last
// block, as a journal does behind its ring, a sector that says whose it is, so
// that files that somebody mixed up are found out:
//
//	 0  "BTCOWDAT" or "BTCOWLOG"
//	 8  version, 4 bytes
//	12  crc32c of bytes 16 to 39
//	16  ID of the layer or overlay, 16 bytes
//	32  8 bytes: the size of the disk in bytes, or the length of the ring
//	40  zeros, up to 512
const (
	dataMagic    = "BTCOWDAT"
	journalMagic = "BTCOWLOG"
	ownerUsed    = 40
)

// dataLength of the blocks of a disk: whole ones, so that the last can be read
// whole.
func dataLength(size int64) int64 { return blocksFor(size) << blockShift }

func encodeOwner(magic string, id uuid.UUID, size int64) []byte {
	p := make([]byte, sectorSize)
	copy(p, magic)
	binary.LittleEndian.PutUint32(p[8:], FormatVersion)
	copy(p[16:], id[:])
	binary.LittleEndian.PutUint64(p[32:], uint64(size))
	binary.LittleEndian.PutUint32(p[12:], crc32.Checksum(p[16:ownerUsed], castagnoli))
	return p
}

// decodeOwner returns block.ErrCorrupt if p does not say that it is of this
// file.
func decodeOwner(p []byte, magic string, id uuid.UUID, size int64) error {
	bad := func(why string, args ...any) error {
		return fmt.Errorf("%s: %w", fmt.Sprintf(why, args...), block.ErrCorrupt)
	}
	le := binary.LittleEndian
	if len(p) < ownerUsed || string(p[:8]) != magic {
		return bad("it does not say whose it is")
	}
	if v := le.Uint32(p[8:]); v != FormatVersion {
		return fmt.Errorf("it is in format %d, and this program knows format %d only: %w", v, FormatVersion, ErrVersion)
	}
	if crc32.Checksum(p[16:ownerUsed], castagnoli) != le.Uint32(p[12:]) {
		return bad("what says whose it is has a wrong sum")
	}
	if uuid.UUID(p[16:32]) != id {
		return bad("it belongs to %s", uuid.UUID(p[16:32]))
	}
	if le.Uint64(p[32:]) != uint64(size) {
		return bad("it is for %d bytes, not %d", le.Uint64(p[32:]), size)
	}
	return nil
}

// checkOwner checks the sector at the end of a file, behind length bytes.
func checkOwner(f vfs.File, magic string, id uuid.UUID, size, length int64) error {
	fi, err := f.Stat()
	if err != nil {
		return err
	}
	if want := length + sectorSize; fi.Size != want {
		return fmt.Errorf("it has %d bytes, not %d: %w", fi.Size, want, block.ErrCorrupt)
	}
	var p [sectorSize]byte
	if _, err := readFull(f, p[:], length); err != nil {
		return err
	}
	return decodeOwner(p[:], magic, id, size)
}

// createData makes an empty data file, synced if asked for.
func createData(fs vfs.FS, name string, id uuid.UUID, size int64, sync bool) (vfs.File, error) {
	f, err := fs.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL)
	if err != nil {
		return nil, err
	}
	err = f.Truncate(dataLength(size) + sectorSize)
	if err == nil {
		_, err = f.WriteAt(encodeOwner(dataMagic, id, size), dataLength(size))
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
	if err := checkOwner(f, dataMagic, id, size, dataLength(size)); err != nil {
		return nil, errors.Join(fmt.Errorf("data file: %w", err), f.Close())
	}
	return f, nil
}

// missingError: what must be there is not. It is a block.ErrCorrupt.
type missingError struct{ what string }

func (e *missingError) Error() string { return e.what + " is missing" }

func (e *missingError) Unwrap() error { return block.ErrCorrupt }

// missing makes the absence of a file that must be there a missingError.
func missing(err error) error {
	var p *os.PathError
	if errors.Is(err, os.ErrNotExist) && errors.As(err, &p) {
		return &missingError{fmt.Sprintf("its file %q", path.Base(p.Path))}
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
