package cow

// IsHere reports whether block b is the volume's own, by its map.
func (v *Volume) IsHere(b int64) bool {
	o := v.top.Load().over
	return o != nil && b < o.blocks && o.own.get(b) == here
}

// Overlay is the folder of the volume's overlay, "" if it has none.
func (v *Volume) Overlay() string {
	if o := v.top.Load().over; o != nil {
		return o.folder
	}
	return ""
}
