package cow

import (
	"bytes"
	"context"
	"fmt"
	"slices"
)

// difference of two chains, block by block, by their maps alone: the same
// block of the same layer is the same content.
type difference struct {
	c, since *chain
	match    [maxDepth + 1]int // by source of c: that of since which is the same layer; -1: none
	shared   uint8             // c is built on since: sources of c up to this one show since's content
	buf      []byte            // a chunk of each, once contents are compared
}

func compare(c, since *chain) *difference {
	d := &difference{c: c, since: since}
	for k := range d.match {
		d.match[k] = -1
	}
	d.match[0] = 0 // zeros
	if since != nil {
		d.shared = uint8(slices.Index(c.layers, since.top()) + 1)
	}
	for k, l := range c.layers {
		for s := 0; since != nil && s < len(since.layers); s++ {
			if since.layers[s] == l {
				d.match[k+1] = s + 1
			}
		}
	}
	return d
}

// run returns whether block b may differ, its two sources, and for how many
// blocks, at most limit, they are the same.
func (d *difference) run(b, limit int64) (differs bool, is, was uint8, n int64) {
	is, n = d.c.run(b, limit, blocksFor(d.c.size))
	if d.since != nil {
		was, n = d.since.run(b, n, blocksFor(d.since.size))
	}
	if is > 0 && is <= d.shared { // though what lies below may have been copied since
		return false, is, was, n
	}
	return d.match[is] != int(was), is, was, n
}

// same reports whether n blocks from b on are surely the same.
func (d *difference) same(b, n int64) bool {
	for end := b + n; b < end; {
		differs, _, _, run := d.run(b, end-b)
		if differs {
			return false
		}
		b += run
	}
	return true
}

// Changes calls fn for each run of blocks whose content may differ from that
// of since, an earlier state of the same disk (nil: a disk of zeros), in
// order; off and n are in bytes. zero says that the run reads as zeros. If l is
// built on since, only maps are looked at, and a block that was written with
// what it held before is among them; if it is not, because it was flattened or
// rolled back, blocks of different layers are read and compared. Where l is
// larger than since, since counts as zeros; beyond l's end nothing is told. It
// stops at the first error of fn and returns it.
func (l *Layer) Changes(ctx context.Context, since *Layer, fn func(off, n int64, zero bool) error) error {
	if err := l.check(0, 0); err != nil {
		return err
	}
	var old *chain
	if since != nil {
		if err := since.check(0, 0); err != nil {
			return err
		}
		old = since.chain
	}
	d, r := compare(l.chain, old), changeRun{size: l.view.size, fn: fn}
	for b := int64(0); b < l.view.blocks; {
		differs, is, was, n := d.run(b, l.view.blocks-b)
		var err error
		switch {
		case !differs:
		case is == 0 || was == 0 || d.shared > 0:
			err = r.add(b, n, is == 0)
		default:
			n = min(n, chunkSize>>blockShift)
			err = d.read(ctx, &r, b, n, is, was)
		}
		if err != nil {
			return err
		}
		b += n
	}
	return r.flush()
}

// read compares blocks, at most a chunk of them, that have different sources.
func (d *difference) read(ctx context.Context, r *changeRun, b, n int64, is, was uint8) error {
	if d.buf == nil {
		d.buf = make([]byte, 2*chunkSize)
	}
	p, q := d.buf[:n<<blockShift], d.buf[chunkSize:][:n<<blockShift]
	err := ctx.Err()
	if err == nil {
		err = d.c.read(p, b<<blockShift, is)
	}
	if err == nil {
		err = d.since.read(q, b<<blockShift, was)
	}
	if err != nil {
		return fmt.Errorf("compare at %d: %w", b<<blockShift, err)
	}
	for i := range n {
		at := i << blockShift
		if bytes.Equal(p[at:at+BlockSize], q[at:at+BlockSize]) {
			continue
		}
		if err := r.add(b+i, 1, false); err != nil {
			return err
		}
	}
	return nil
}

// changeRun joins neighbouring runs of one kind.
type changeRun struct {
	size     int64
	fn       func(off, n int64, zero bool) error
	first, n int64
	zero     bool
}

func (r *changeRun) add(b, n int64, zero bool) error {
	if r.n > 0 && r.first+r.n == b && r.zero == zero {
		r.n += n
		return nil
	}
	err := r.flush()
	r.first, r.n, r.zero = b, n, zero
	return err
}

func (r *changeRun) flush() error {
	if r.n == 0 {
		return nil
	}
	off := r.first << blockShift
	return r.fn(off, min(r.n<<blockShift, r.size-off), r.zero)
}
