package capture

import (
	"hash/maphash"
	"time"
)

const (
	// doubledWithin is sooner than any client repeats itself, and doubledSpan the time
	// in which doubledLeast messages must have come twice.
	doubledWithin = 100 * time.Millisecond
	doubledSpan   = time.Minute
	doubledLeast  = 2
	doubledAgain  = 10 * time.Minute // it is not told of sooner
)

// doubled looks for messages of DHCP that reach an interface twice: the same frame,
// to the identification in its IP header (RFC 791, 3.2).
type doubled struct {
	seen [16]struct {
		hash uint64
		at   time.Time
	}
	next int
	n    int
	from time.Time // when the first of n came
	told time.Time
}

var frameSeed = maphash.MakeSeed()

// tell reports whether it is to be told that messages come twice.
func (d *doubled) tell(b []byte, at time.Time) bool {
	f, ok := parse(b, Ports{})
	if !ok || f.kind != kindDHCP || f.dst.Port() != portDHCPServer {
		return false
	}
	hash, twice := maphash.Bytes(frameSeed, b), false
	for i := range d.seen {
		s := &d.seen[i]
		twice = twice || s.hash == hash && at.Sub(s.at) < doubledWithin
	}
	if !twice {
		d.seen[d.next].hash, d.seen[d.next].at = hash, at
		d.next = (d.next + 1) % len(d.seen)
		return false
	}
	if d.n == 0 || at.Sub(d.from) >= doubledSpan {
		d.n, d.from = 0, at
	}
	if d.n++; d.n < doubledLeast || at.Sub(d.told) < doubledAgain {
		return false
	}
	d.told = at
	return true
}
