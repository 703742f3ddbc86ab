package cow

// IsHere reports whether block b is the volume's own, by its map.
func (v *Volume) IsHere(b int64) bool {
	o := v.top.Load().over
	return o != nil && b < o.blocks && o.own.get(b) == here
}

// IsCarried reports whether something in block b is in the journal and perhaps
// not in its place.
func (v *Volume) IsCarried(b int64) bool {
	o := v.top.Load().over
	if o == nil || o.carried.Load() == nil {
		return false
	}
	for _, x := range *o.carried.Load() {
		if x.off>>blockShift <= b && b < blocksFor(x.off+int64(len(x.data))) {
			return true
		}
	}
	return false
}

// Overlay is the folder of the volume's overlay, "" if it has none.
func (v *Volume) Overlay() string {
	if o := v.top.Load().over; o != nil {
		return o.folder
	}
	return ""
}
