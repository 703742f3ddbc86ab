package iscsi

import "sync/atomic"

// usage counts for all sessions of one holding.
type usage struct{ reads, readBytes, writes, writtenBytes atomic.Uint64 }

func (u *usage) read(n int64) {
	u.reads.Add(1)
	u.readBytes.Add(uint64(n))
}

func (u *usage) wrote(n int64) {
	u.writes.Add(1)
	u.writtenBytes.Add(uint64(n))
}

func (u *usage) snapshot() Usage {
	return Usage{
		Reads: u.reads.Load(), ReadBytes: u.readBytes.Load(),
		Writes: u.writes.Load(), WrittenBytes: u.writtenBytes.Load(),
	}
}
