package trace

import (
	"sync"
	"time"
)

// Bounds of one recording. A Windows desktop reads some 25,000 times.
const (
	maxReads = 1 << 17
	maxTime  = 15 * time.Minute // since the first READ
	maxMarks = 16
	// A boot that runs, since its first write, is still recorded for after and
	// until nothing was read for calm, but no longer than late.
	after = 30 * time.Second
	calm  = 10 * time.Second
	late  = 2 * time.Minute
)

// perChunk READs have room in what is allocated at once.
const perChunk = 4096

// packed is a Read in 16 bytes without pointers.
type packed struct {
	sector int64
	micros uint32 // maxTime fits
	count  uint32 // sectors
}

// Recording is a boot that is being recorded.
type Recording struct {
	boot string

	mu     sync.Mutex
	about  Trace // without Reads
	chunks [][]packed
	count  int
	ran    time.Time // zero until then
	last   time.Time // READ
	full   bool
	open   bool // its disk is
	over   bool
	timer  *time.Timer
}

// Read records one READ, in bytes. False: the recording has ended, and wants to
// hear of no more.
func (r *Recording) Read(offset, length int64) (more bool) {
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over {
		return false
	}
	if r.count == 0 {
		r.about.Began = now
	}
	at := now.Sub(r.about.Began)
	if r.count == maxReads || at > maxTime {
		r.about.Cut = r.ran.IsZero()
		r.full = true
		r.timer.Reset(0)
		return false
	}
	r.last = now
	if r.count%perChunk == 0 {
		r.chunks = append(r.chunks, make([]packed, 0, perChunk))
	}
	last := &r.chunks[len(r.chunks)-1]
	*last = append(*last, packed{sector: offset / sector, micros: uint32(max(at, 0) / time.Microsecond), count: uint32(length / sector)})
	r.count++
	return true
}

// mark adds a step of the boot, each text once.
func (r *Recording) mark(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.count == 0 || len(r.about.Marks) == maxMarks {
		return
	}
	for _, m := range r.about.Marks {
		if m.Text == text {
			return
		}
	}
	r.about.Marks = append(r.about.Marks, Mark{At: time.Since(r.about.Began), Text: text})
}

// runs has the recording end soon.
func (r *Recording) runs() {
	r.mark("runs")
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ran.IsZero() && !r.over {
		r.ran = time.Now()
		r.timer.Reset(after)
	}
}

// rest is how long a recording whose timer has fired still goes on.
func (r *Recording) rest() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over || r.full || r.ran.IsZero() {
		return 0
	}
	return min(calm-time.Since(r.last), late-time.Since(r.ran))
}

func (r *Recording) opened() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.open
}

func (r *Recording) setOpen(open bool) (ran bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open = open
	return !r.ran.IsZero()
}

// end ends the recording and returns it, nil if the boot never ran.
func (r *Recording) end() *Trace {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.over = true
	r.timer.Stop()
	chunks := r.chunks
	r.chunks = nil
	if r.count == 0 || r.ran.IsZero() && !r.about.Cut {
		return nil
	}
	t := r.about
	t.Reads = make([]Read, 0, r.count)
	for _, c := range chunks {
		for _, p := range c {
			t.Reads = append(t.Reads, Read{
				At: time.Duration(p.micros) * time.Microsecond, Offset: p.sector * sector, Length: int64(p.count) * sector,
			})
		}
	}
	return &t
}
