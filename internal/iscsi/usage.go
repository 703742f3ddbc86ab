package iscsi

// usage is what all sessions of a holding have moved.
func (h *holding) usage() Usage {
	sum := h.past.Load().plus(Usage{})
	for lun := range h.units {
		if u := h.units[lun].Load(); u != nil {
			sum = sum.plus(u.usage())
		}
	}
	return sum
}

func (u *unit) usage() Usage {
	read, write := u.io[OpRead].snapshot(), u.io[OpWrite].snapshot()
	return Usage{Reads: read.Count, ReadBytes: read.Bytes, Writes: write.Count, WrittenBytes: write.Bytes}
}

// plus adds o to u, which may be nil.
func (u *Usage) plus(o Usage) Usage {
	if u == nil {
		return o
	}
	return Usage{
		Reads: u.Reads + o.Reads, ReadBytes: u.ReadBytes + o.ReadBytes,
		Writes: u.Writes + o.Writes, WrittenBytes: u.WrittenBytes + o.WrittenBytes,
	}
}
