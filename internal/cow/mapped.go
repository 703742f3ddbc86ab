package cow

// Mapped tells whether the block at off has content, here or below, and over
// how many bytes, at least one and at most n, that answer is the same; the rest
// reads as zeros. off and off+n lie within the volume. It asks the maps alone,
// without a lock: next to changes it is as of some moment of the call.
//
// Content may be zeros, too, if somebody wrote them. One answer may end where
// the next one is the same: at the border of two layers, say.
func (v *Volume) Mapped(off, n int64) (mapped bool, run int64) {
	t := v.top.Load()
	b := off >> blockShift
	from, source, blocks := t.run(b, blocksFor(off+n)-b)
	return from == here || from == below && source != 0, min((b+blocks)<<blockShift-off, n)
}
