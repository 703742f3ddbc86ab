package iscsi

import (
	"math"
	"math/bits"
	"sync/atomic"
	"time"

	"bootes.dev/internal/scsi"
)

// Op is a kind of I/O. Commands of no kind are not measured.
type Op byte

// Kinds of I/O.
const (
	OpRead Op = iota
	OpWrite
	OpFlush
	OpUnmap
	opKinds
	opNone = opKinds
)

var opNames = [...]string{"read", "write", "flush", "unmap", "other"}

func (o Op) String() string { return opNames[o] }

// opOf tells the kind of a command that is no READ.
func opOf(c *scsi.Command) Op {
	const unmapBit = 0x08 // of WRITE SAME
	switch c.CDB[0] {
	case 0x35, 0x91: // SYNCHRONIZE CACHE
		return OpFlush
	case 0x42: // UNMAP
		return OpUnmap
	case 0x41, 0x93: // WRITE SAME
		if c.CDB[1]&unmapBit != 0 {
			return OpUnmap
		}
		return OpWrite
	case 0x89: // COMPARE AND WRITE
		return OpWrite
	}
	if c.Kind == scsi.Write {
		return OpWrite
	}
	return opNone
}

// The buckets of a histogram are those of Prometheus' native histograms of
// schema 2: four per power of two, the bounds being powers of 2^(1/4) seconds.
// Bucket 0 is for what takes no longer than 2^-20 s, which is Prometheus' zero
// bucket; the last one for all above 2^6 s.
const (
	LatencySchema  = 2
	perOctave      = 1 << LatencySchema
	lowestBucket   = -20 * perOctave
	highestBucket  = 6 * perOctave
	latencyBuckets = highestBucket - lowestBucket + 2
)

var (
	latencyBounds [latencyBuckets - 1]int64 // upper, in nanoseconds
	latencyFirst  [65]uint8                 // by the bits of a duration: the first bucket it may be in
)

func init() {
	for i := range latencyBounds {
		latencyBounds[i] = int64(latencyBound(i) * float64(time.Second))
	}
	for n := range latencyFirst {
		for n > 0 && int(latencyFirst[n]) < len(latencyBounds) && uint64(latencyBounds[latencyFirst[n]]) < 1<<(n-1) {
			latencyFirst[n]++
		}
	}
}

// latencyBound is the upper bound of bucket i in seconds.
func latencyBound(i int) float64 { return math.Exp2(float64(i+lowestBucket) / perOctave) }

func latencyBucket(ns int64) int {
	i := int(latencyFirst[bits.Len64(uint64(ns))])
	for i < len(latencyBounds) && ns > latencyBounds[i] {
		i++
	}
	return i
}

// histogram counts I/O of one kind. Adding takes no lock.
type histogram struct {
	sum     atomic.Int64 // nanoseconds
	bytes   atomic.Uint64
	buckets [latencyBuckets]atomic.Uint64
}

func (h *histogram) add(ns, bytes int64) {
	h.sum.Add(ns)
	if bytes > 0 {
		h.bytes.Add(uint64(bytes))
	}
	h.buckets[latencyBucket(max(ns, 0))].Add(1)
}

func (h *histogram) snapshot() Latency {
	l := Latency{Sum: time.Duration(h.sum.Load()), Bytes: h.bytes.Load()}
	for i := range h.buckets {
		l.buckets[i] = h.buckets[i].Load()
		l.Count += l.buckets[i]
	}
	return l
}

// Latency is how long I/O of one kind took, from the arrival of the command to
// its answer.
type Latency struct {
	Count   uint64 // commands
	Bytes   uint64 // that they moved
	Sum     time.Duration
	buckets [latencyBuckets]uint64
}

// Add adds o to l.
func (l *Latency) Add(o Latency) {
	l.Count += o.Count
	l.Bytes += o.Bytes
	l.Sum += o.Sum
	for i, n := range o.buckets {
		l.buckets[i] += n
	}
}

// Quantile is the time within which the part q of the commands was answered, to
// within 19 percent; 0 without commands.
func (l *Latency) Quantile(q float64) time.Duration {
	rank := uint64(math.Ceil(q * float64(l.Count)))
	var seen uint64
	for i, n := range l.buckets {
		if seen += n; n > 0 && seen >= rank {
			return time.Duration(latencyBounds[min(i, len(latencyBounds)-1)])
		}
	}
	return 0
}

// Within is how many commands took d or less, to within 19 percent.
func (l *Latency) Within(d time.Duration) (n uint64) {
	for i, count := range l.buckets {
		if i < len(latencyBounds) && latencyBounds[i] <= int64(d) {
			n += count
		}
	}
	return n
}

// Native returns the buckets as a native histogram of schema LatencySchema has
// them, by their index, and the zero bucket with its threshold in seconds.
func (l *Latency) Native() (buckets map[int]int64, zero uint64, threshold float64) {
	buckets = make(map[int]int64)
	for i, n := range l.buckets[1:] {
		if n > 0 {
			buckets[i+1+lowestBucket] = int64(n)
		}
	}
	return buckets, l.buckets[0], latencyBound(0)
}
