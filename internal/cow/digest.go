package cow

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync/atomic"

	"bootes.dev/internal/cow/vfs"
	"golang.org/x/sync/errgroup"
)

// The digest of a disk is over its content alone, not over how it is stored:
//
//	"sha256:" + hex(sha256("BTDISK01" + size as 8 bytes little-endian + H))
//
// where H is the list of the SHA-256 of each MiB, the last one perhaps
// shorter, with 32 zero bytes in the place of a MiB that is all zeros. H is
// also the content of a layer's file "hashes".
const (
	digestMagic = "BTDISK01"
	chunkSize   = 1 << 20
	hashSize    = sha256.Size
)

// content is a disk to be hashed; isZeroAt (in blocks) spares reading holes.
type content interface {
	io.ReaderAt
	isZeroAt(b, n int64) bool
}

func chunksFor(size int64) int64 { return (size + chunkSize - 1) / chunkSize }

// hashers is how many work at once when somebody waits for it.
func hashers() int { return min(runtime.GOMAXPROCS(0), 4) }

// hashChunks returns H of a disk. known, if not nil, says of a chunk that it
// need not be read, and fills in its hash.
func hashChunks(ctx context.Context, c content, size int64, workers int, known func(i int64, to []byte) bool) ([]byte, error) {
	list := make([]byte, chunksFor(size)*hashSize)
	var next atomic.Int64
	g, ctx := errgroup.WithContext(ctx)
	for range workers {
		g.Go(func() error {
			buf := make([]byte, chunkSize)
			for i := next.Add(1) - 1; i < chunksFor(size); i = next.Add(1) - 1 {
				if err := ctx.Err(); err != nil {
					return err
				}
				to := list[i*hashSize : (i+1)*hashSize]
				if known != nil && known(i, to) {
					continue
				}
				if err := hashChunk(to, c, buf, i*chunkSize, size); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return list, g.Wait()
}

func hashChunk(to []byte, c content, buf []byte, off, size int64) error {
	p := buf[:min(chunkSize, size-off)]
	if c.isZeroAt(off>>blockShift, blocksFor(int64(len(p)))) {
		return nil
	}
	if _, err := c.ReadAt(p, off); err != nil {
		return fmt.Errorf("read for hashing at %d: %w", off, err)
	}
	if !isZero(p) {
		sum := sha256.Sum256(p)
		copy(to, sum[:])
	}
	return nil
}

// digestOf makes the digest from H.
func digestOf(size int64, list []byte) string {
	h := sha256.New()
	h.Write(binary.LittleEndian.AppendUint64([]byte(digestMagic), uint64(size)))
	h.Write(list)
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}

// writeHashes stores H durably, all-zero parts as holes, in the place of what
// an interrupted attempt left.
func writeHashes(fs vfs.FS, name string, list []byte) error {
	if err := fs.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	f, err := fs.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Truncate(int64(len(list))); err != nil {
		return err
	}
	for off := 0; off < len(list); off += len(zeros) {
		p := list[off:min(len(list), off+len(zeros))]
		if isZero(p) {
			continue
		}
		if _, err := f.WriteAt(p, int64(off)); err != nil {
			return err
		}
	}
	return f.Sync()
}
