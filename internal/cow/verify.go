package cow

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"sync"

	"bootes.dev/internal/block"
)

// VerifyError names all of a layer's content that is not what was sealed. It
// wraps block.ErrCorrupt.
type VerifyError struct {
	Layer string
	Bad   []BadChunk
}

// BadChunk is one MiB.
type BadChunk struct {
	Off    int64    // in bytes
	Layers []string // whose files hold blocks of it, one of which is damaged
	Err    error    // if it could not even be read
}

func (e *VerifyError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "verify layer %q: %d MiB of its content are not what was sealed:", e.Layer, len(e.Bad))
	for i, c := range e.Bad {
		if i == 8 {
			fmt.Fprintf(&b, " and %d more", len(e.Bad)-i)
			break
		}
		fmt.Fprintf(&b, " at %d MiB (in layer %s)", c.Off/chunkSize, strings.Join(c.Layers, " or "))
	}
	return b.String()
}

func (e *VerifyError) Unwrap() error { return block.ErrCorrupt }

// VerifyLayer reads the whole disk that a layer is the top of, and returns a
// *VerifyError if its content is not what was sealed. A layer that has no
// hashes yet is hashed first, with those of its ancestors where they apply.
// progress, if not nil, is told of the bytes done and to do.
func (e *Engine) VerifyLayer(ctx context.Context, id string, progress func(done, total int64)) error {
	return e.verifyLayer(ctx, id, hashers(), progress)
}

// CheckLayer is VerifyLayer by a single worker at half speed, for when nobody waits.
func (e *Engine) CheckLayer(ctx context.Context, id string) error {
	return e.verifyLayer(ctx, id, 1, nil)
}

func (e *Engine) verifyLayer(ctx context.Context, id string, workers int, progress func(done, total int64)) error {
	leave, err := e.enter()
	if err != nil {
		return err
	}
	defer leave()
	ctx, cancel := e.until(ctx)
	defer cancel()
	info, err := e.Layer(id)
	if err != nil {
		return err
	}
	if info.Digest == "" {
		if err := e.hashLayer(ctx, id, workers); err != nil {
			return err
		}
	}
	l, err := e.OpenLayer(id)
	if err != nil {
		return err
	}
	defer l.Close()
	top := l.chain.top()
	e.mu.Lock()
	m := top.meta
	e.mu.Unlock()
	want, err := e.readHashes(&m)
	if err != nil {
		return fmt.Errorf("verify layer %q: %w", id, err)
	}
	bad, err := findBad(ctx, l.chain, want, workers, progress)
	if err != nil {
		return fmt.Errorf("verify layer %q: %w", id, err)
	}
	if len(bad) > 0 {
		return &VerifyError{Layer: id, Bad: bad}
	}
	return nil
}

// findBad compares each MiB with its hash.
func findBad(ctx context.Context, c *chain, want []byte, workers int, progress func(done, total int64)) ([]BadChunk, error) {
	v := c.view()
	count := newPace(workers == 1, progress)
	count.start(v.size)
	var mu sync.Mutex
	var bad []BadChunk
	check := func(i int64, _ []byte) bool {
		off := i * chunkSize
		n := min(chunkSize, v.size-off)
		defer count.step(ctx, n)
		got, err := hashAt(&v, off, n)
		if err == nil && string(got[:]) == string(want[i*hashSize:(i+1)*hashSize]) {
			return true
		}
		mu.Lock()
		defer mu.Unlock()
		bad = append(bad, BadChunk{Off: off, Layers: c.holders(off, n), Err: err})
		return true
	}
	_, err := hashChunks(ctx, &v, v.size, workers, check)
	slices.SortFunc(bad, func(a, b BadChunk) int { return int((a.Off - b.Off) / chunkSize) })
	return bad, err
}

func hashAt(c content, off, n int64) (sum [sha256.Size]byte, err error) {
	err = hashChunk(sum[:], c, make([]byte, n), off, off+n)
	return sum, err
}

// holders are the layers whose files hold blocks of a range.
func (c *chain) holders(off, n int64) (ids []string) {
	first, end := off>>blockShift, blocksFor(off+n)
	for b := first; b < end; {
		k, n := c.run(b, end-b, end)
		if k > 0 && !slices.Contains(ids, c.layers[k-1].id) {
			ids = append(ids, c.layers[k-1].id)
		}
		b += n
	}
	return ids
}
