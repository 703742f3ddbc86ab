package cow

import (
	"math/bits"
	"slices"

	"bootes.dev/internal/cow/vfs"
)

// chain is a layer with all below it, resolved once into one map from block to
// data file, so that a read costs the same for one layer and for twenty. All
// volumes on a layer share one chain, and chains share the pages of the map
// that they have in common. It never changes once it is ready.
type chain struct {
	size   int64
	pages  []*sources
	layers []*layerState // from the bottom to the top
	files  []vfs.File    // their data; source number k is files[k-1], source 0 is zeros

	solid [maxDepth + 1]*sources // uniform pages, shared
	mine  []bool                 // while it is being built: pages that no other chain has

	pinned []*layerState // all that will be in layers; fixed from the start
	refs   int           // guarded by Engine.mu
	ready  chan struct{} // closed when resolved, with err set
	err    error
}

// sources is one page of a chain's map: the source of each block. A nil page
// is all zeros.
type sources [pageBlocks]uint8

// maxDepth is how many layers a chain may have.
const maxDepth = 255

// above starts a chain with all that is below it taken over from c, which may
// be nil.
func (c *chain) above() *chain {
	if c == nil {
		return &chain{}
	}
	return &chain{
		size: c.size, pages: slices.Clone(c.pages), mine: make([]bool, len(c.pages)),
		layers: slices.Clone(c.layers), files: slices.Clone(c.files), solid: c.solid,
	}
}

// grow makes room for a layer of size bytes that lets clip bytes through.
func (c *chain) grow(size, clip int64) {
	if clip < c.size {
		c.cut(blocksFor(clip))
	}
	n := int(pagesFor(blocksFor(size)))
	c.pages = slices.Grow(c.pages, max(0, n-len(c.pages)))[:min(n, len(c.pages))]
	c.mine = c.mine[:len(c.pages)]
	for len(c.pages) < n {
		c.pages, c.mine = append(c.pages, nil), append(c.mine, false)
	}
	if size < c.size {
		c.cut(blocksFor(size))
	}
	c.size = size
}

// cut makes the blocks from b on zeros.
func (c *chain) cut(b int64) {
	i := b >> pageShift
	if i >= int64(len(c.pages)) {
		return
	}
	if at := b % pageBlocks; at != 0 {
		if c.pages[i] != nil {
			clear(c.ownPage(i)[at:])
		}
		i++
	}
	clear(c.pages[min(i, int64(len(c.pages))):])
}

// add puts a layer on top, for which grow has made room.
func (c *chain) add(l *layerState, f vfs.File, own *presence) {
	c.layers, c.files = append(c.layers, l), append(c.files, f)
	for i := range own.pages {
		c.paintPage(own, int64(i))
	}
}

// paintPage enters what one page of the topmost layer's map says.
func (c *chain) paintPage(own *presence, i int64) {
	k, p := uint8(len(c.files)), own.pages[i].Load()
	n := min(pageBlocks, own.blocks-i<<pageShift)
	switch {
	case p == nil:
		return
	case p == allZero && n == pageBlocks:
		c.pages[i] = nil
		return
	case p == allHere && n == pageBlocks:
		c.pages[i] = c.solidPage(k)
		return
	}
	to := c.ownPage(i)[:n]
	for w := 0; len(to) > 0; w++ {
		word, n := p[w].Load(), min(blocksPerWord, len(to))
		if word != 0 {
			paintWord(to[:n], word, k)
		}
		to = to[n:]
	}
}

// paintWord enters the states of up to 32 blocks.
func paintWord(to []uint8, word uint64, k uint8) {
	for m := word & evenBits; m != 0; m &= m - 1 {
		if b := bits.TrailingZeros64(m) / 2; b < len(to) {
			to[b] = k
		}
	}
	for m := word >> 1 & evenBits; m != 0; m &= m - 1 {
		if b := bits.TrailingZeros64(m) / 2; b < len(to) {
			to[b] = 0
		}
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

// ownPage makes page i writable: a shared page is replaced by a copy.
func (c *chain) ownPage(i int64) *sources {
	p := c.pages[i]
	if p != nil && c.mine[i] && p != c.solid[p[0]] {
		return p
	}
	var own *sources
	if p == nil {
		own = new(sources)
	} else {
		own = (*sources)(slices.Clone(p[:])) // new would clear it first
	}
	c.pages[i], c.mine[i] = own, true
	return own
}

// run returns the source of block b and how many blocks from it on, at most
// limit, have the same. From block end on, which lies within the chain, it is
// zeros, and so is a nil chain.
func (c *chain) run(b, limit, end int64) (source uint8, n int64) {
	if c == nil || b >= end {
		return 0, limit
	}
	p := c.pages[b>>pageShift]
	at := b & (pageBlocks - 1)
	limit = min(limit, pageBlocks-at, end-b)
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

// has reports whether a layer is, or will be, in the chain.
func (c *chain) has(l *layerState) bool { return c != nil && slices.Contains(c.pinned, l) }

// top is the layer that the chain is of.
func (c *chain) top() *layerState { return c.layers[len(c.layers)-1] }

// view of the chain alone.
func (c *chain) view() view { return newView(c.size, c, c.size) }
