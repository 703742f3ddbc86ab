// Package quantile counts durations, to tell within which time so many of them
// were.
package quantile

import (
	"math/bits"
	"time"
)

// Histogram counts durations in buckets of about 3 %. The zero value is empty.
type Histogram struct {
	n       int64
	max     time.Duration
	buckets [64 << fine]int64
}

// fine is how many bits of a duration count beside its leading one.
const fine = 5

// Add counts one.
func (h *Histogram) Add(d time.Duration) {
	h.n++
	h.max = max(h.max, d)
	h.buckets[bucket(uint64(max(d, 0)))]++
}

func bucket(v uint64) int {
	if v < 1<<fine {
		return int(v)
	}
	shift := bits.Len64(v) - 1 - fine
	return (shift+1)<<fine | int(v>>shift)&(1<<fine-1)
}

// floorOf is the least duration of a bucket.
func floorOf(i int) time.Duration {
	if i < 1<<fine {
		return time.Duration(i)
	}
	return time.Duration(1<<fine|i&(1<<fine-1)) << (i>>fine - 1)
}

// N is how many were counted.
func (h *Histogram) N() int64 { return h.n }

// Max is the longest.
func (h *Histogram) Max() time.Duration { return h.max }

// Quantile is the duration that q of all, 0 to 1, do not pass.
func (h *Histogram) Quantile(q float64) time.Duration {
	left := int64(q * float64(h.n))
	for i, n := range h.buckets {
		if left -= n; left < 0 {
			return floorOf(i)
		}
	}
	return h.max
}

// Merge adds what other has counted.
func (h *Histogram) Merge(other *Histogram) {
	h.n += other.n
	h.max = max(h.max, other.max)
	for i, n := range other.buckets {
		h.buckets[i] += n
	}
}
