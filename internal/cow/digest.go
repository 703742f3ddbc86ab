package cow

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync/atomic"

	"bootes.dev/internal/block"
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

// hashChunks returns H of a disk.
func hashChunks(ctx context.Context, c content, size int64) ([]byte, error) {
	list := make([]byte, chunksFor(size)*hashSize)
	var next atomic.Int64
	g, ctx := errgroup.WithContext(ctx)
	for range min(runtime.GOMAXPROCS(0), 4) {
		g.Go(func() error {
			buf := make([]byte, chunkSize)
			for i := next.Add(1) - 1; i < chunksFor(size); i = next.Add(1) - 1 {
				if err := ctx.Err(); err != nil {
					return err
				}
				if err := hashChunk(list[i*hashSize:], c, buf, i*chunkSize, size); err != nil {
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

// writeHashes stores H durably, all-zero parts as holes.
func writeHashes(fs vfs.FS, name string, list []byte) error {
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

// firstDifference names the first MiB in which a disk differs from H.
func firstDifference(want, got []byte) error {
	for i := 0; i < len(want) && i < len(got); i += hashSize {
		if string(want[i:i+hashSize]) != string(got[i:i+hashSize]) {
			return fmt.Errorf("content at %d MiB has changed: %w", i/hashSize, block.ErrCorrupt)
		}
	}
	return fmt.Errorf("list of hashes has changed: %w", block.ErrCorrupt)
}
