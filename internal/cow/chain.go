package cow

import (
	"fmt"

	"bootes.dev/internal/block"
	"bootes.dev/internal/cow/vfs"
)

// chain is a layer with all below it, resolved once into one map from block to
// data file, so that a read costs the same for one layer and for twenty. All
// volumes on a layer share one chain. It never changes once built.
type chain struct {
	size  int64
	pages []*sources
	files []vfs.File // source number k is files[k-1]; source 0 is zeros

	solid [maxDepth + 1]*sources // uniform pages, shared
	refs  int                    // guarded by Engine.mu
}

// sources is one page of a chain's map: the source of each block. A nil page
// is all zeros.
type sources [pageBlocks]uint8

// maxDepth is how many layers a chain may have.
const maxDepth = 255

func newChain(size int64) *chain {
	return &chain{size: size, pages: make([]*sources, pagesFor(blocksFor(size)))}
}

// add puts a layer on top. Layers never shrink along a chain.
func (c *chain) add(m *presence, f vfs.File) error {
	if len(c.files) == maxDepth {
		return fmt.Errorf("chain of more than %d layers: %w", maxDepth, block.ErrCorrupt)
	}
	c.files = append(c.files, f)
	k := uint8(len(c.files))
	for b := int64(0); b < m.blocks; {
		s, n := m.run(b, m.blocks-b)
		switch s {
		case here:
			c.paint(b, n, k)
		case zero:
			c.paint(b, n, 0)
		}
		b += n
	}
	return nil
}

func (c *chain) paint(b, n int64, k uint8) {
	for end := b + n; b < end; {
		i := b >> pageShift
		stop := min((i+1)<<pageShift, end)
		if stop-b == pageBlocks {
			c.pages[i] = c.solidPage(k)
		} else {
			p := c.ownPage(i)
			for at := b; at < stop; at++ {
				p[at%pageBlocks] = k
			}
		}
		b = stop
	}
}

func (c *chain) solidPage(k uint8) *sources {
	if k != 0 && c.solid[k] == nil {
		c.solid[k] = new(sources)
		for i := range c.solid[k] {
			c.solid[k][i] = k
		}
	}
	return c.solid[k]
}

// ownPage makes page i writable: nil and shared pages are replaced by copies.
func (c *chain) ownPage(i int64) *sources {
	p := c.pages[i]
	if p != nil && p != c.solid[p[0]] {
		return p
	}
	own := new(sources)
	if p != nil {
		*own = *p
	}
	c.pages[i] = own
	return own
}

// run returns the source of block b and how many blocks from it on, at most
// limit, have the same. Beyond its end a chain, also a nil one, is zeros.
func (c *chain) run(b, limit int64) (source uint8, n int64) {
	if c == nil || b >= blocksFor(c.size) {
		return 0, limit
	}
	p := c.pages[b>>pageShift]
	at := b & (pageBlocks - 1)
	limit = min(limit, pageBlocks-at, blocksFor(c.size)-b)
	if p == nil {
		return 0, limit
	}
	k := p[at]
	if p == c.solid[k] {
		return k, limit
	}
	for n = 1; n < limit && p[at+n] == k; n++ {
	}
	return k, n
}

// read fills p, which lies within one run of the given source.
func (c *chain) read(p []byte, off int64, source uint8) error {
	if source == 0 {
		clear(p)
		return nil
	}
	_, err := readFull(c.files[source-1], p, off)
	return err
}

// ReadAt reads any aligned range within the chain's size.
func (c *chain) ReadAt(p []byte, off int64) (int, error) {
	done := 0
	for done < len(p) {
		at := off + int64(done)
		b := at >> blockShift
		k, n := c.run(b, blocksFor(off+int64(len(p)))-b)
		part := p[done:min(len(p), done+int((b+n)<<blockShift-at))]
		if err := c.read(part, at, k); err != nil {
			return done, err
		}
		done += len(part)
	}
	return done, nil
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

func (c *chain) close() error {
	var first error
	for _, f := range c.files {
		if err := f.Close(); err != nil && first == nil {
			first = err
		}
	}
	return first
}
