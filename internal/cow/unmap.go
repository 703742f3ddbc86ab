package cow

// Unmap makes the range zeros. Whole blocks are noted as zero; their space is
// given back after the next Flush, when that note is durable. Where all is
// zeros already it does nothing: a machine that discards its whole blank disk
// costs no space.
func (v *Volume) Unmap(off, length int64) error {
	if err := v.look(off, length); err != nil || v.top.Load().isNought(off, length) {
		return err
	}
	o, err := v.begin(off, length)
	if err != nil {
		return err
	}
	defer v.end()
	if err := v.unmapLocked(o, off, length); err != nil {
		return err
	}
	return v.through(o)
}

// isNought reports whether there is no overlay, and nothing in the range.
func (t *top) isNought(off, length int64) bool {
	first := off >> blockShift
	return length == 0 || t.over == nil && t.isZeroAt(first, blocksFor(off+length)-first)
}

func (v *Volume) unmapLocked(o *overlay, off, length int64) error {
	first, end := off>>blockShift, blocksFor(off+length)
	ticket := v.ranges.lock(first, end, false)
	defer v.ranges.unlock(ticket)

	stop := off + length
	if stop == o.size { // the last block counts as whole
		stop = end << blockShift
	}
	from, to := blocksFor(off), stop>>blockShift
	if from >= to { // no whole block
		return v.erasePart(o, off, min(stop, o.size))
	}
	if err := v.erasePart(o, off, from<<blockShift); err != nil {
		return err
	}
	if err := v.eraseBlocks(o, from, to-from); err != nil {
		return err
	}
	return v.erasePart(o, to<<blockShift, min(stop, o.size))
}

// erasePart zeroes a range within one block, or within two neighbours.
func (v *Volume) erasePart(o *overlay, off, end int64) error {
	for off < end {
		b := off >> blockShift
		n := min(end, (b+1)<<blockShift) - off
		if !v.top.Load().isZeroAt(b, 1) {
			if err := v.write(o, zeros[:n], off, b, 1); err != nil {
				return err
			}
		}
		off += n
	}
	return nil
}

func (v *Volume) eraseBlocks(o *overlay, first, n int64) error {
	if o.own.here(first, n) == 0 && v.top.Load().isZeroAt(first, n) {
		return nil
	}
	if err := o.record(first, n, zero); err != nil {
		return err
	}
	if o.volatile {
		o.startPunching()
	}
	return nil
}
