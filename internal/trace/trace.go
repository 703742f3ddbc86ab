// Package trace keeps what machines read while they booted: of each image
// version the READs of one boot, where, how much and when. A picture of them
// shows what a boot is made of; `bootes simulate --room` does them again.
//
// A boot is recorded from its first READ until it has run for half a minute and
// comes to rest, and only one that began on a fresh clone of its image: what it
// read is then the image's. Of several machines that boot an image at once, the first one
// is recorded. What is kept is the newest recording, in one file a version.
package trace

import (
	"cmp"
	"slices"
	"time"
)

// Trace is the READs of one boot.
type Trace struct {
	Image   string    `json:"image"`   // name:tag
	Layer   string    `json:"layer"`   // of the storage engine; what the trace is kept under
	Machine string    `json:"machine"` // that booted
	Began   time.Time `json:"began"`   // the first READ
	Size    int64     `json:"size"`    // of the disk, in bytes
	Marks   []Mark    `json:"marks"`   // in order of time
	Cut     bool      `json:"cut"`     // it went on when the recording was full

	Reads []Read `json:"-"` // in the order in which they came
}

// Read is one READ.
type Read struct {
	At     time.Duration // since the first one
	Offset int64         // bytes
	Length int64         // bytes
}

// Mark is a step of the boot.
type Mark struct {
	At   time.Duration `json:"at"`
	Text string        `json:"text"`
}

// Took is the time of the last READ, since the first.
func (t *Trace) Took() time.Duration {
	if len(t.Reads) == 0 {
		return 0
	}
	return t.Reads[len(t.Reads)-1].At
}

// Bytes is how much was read, what was read twice counted twice.
func (t *Trace) Bytes() (n int64) {
	for _, r := range t.Reads {
		n += r.Length
	}
	return n
}

// Distinct is how many bytes of the disk were read.
func (t *Trace) Distinct() (n int64) {
	byOffset := slices.SortedFunc(slices.Values(t.Reads), func(a, b Read) int { return cmp.Compare(a.Offset, b.Offset) })
	end := int64(0)
	for _, r := range byOffset {
		if last := r.Offset + r.Length; last > end {
			n += last - max(r.Offset, end)
			end = last
		}
	}
	return n
}
