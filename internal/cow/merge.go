package cow

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// nextToMerge finds a chain that has become too deep: in one of more than
// MergeDepth layers a run of nameless neighbours is merged, which frees what it
// copies; one that this leaves with more than FlattenDepth is flattened, which
// does not, as names below stay what they are. The caller holds mu.
func (e *Engine) nextToMerge() *job {
	var refs *references // counted once, and only if a chain is deep
	for id, s := range e.volumes {
		if s.bad != nil || s.making || s.meta.Base == "" {
			continue
		}
		if j := e.mergeJob(s.meta.Base, nil, id, &refs); j != nil {
			return j
		}
	}
	for _, l := range e.layers {
		if l.bad != nil || !l.meta.Keep || l.meta.Parent == "" {
			continue
		}
		if j := e.mergeJob(l.meta.Parent, l, "", &refs); j != nil {
			return j
		}
	}
	return nil
}

// mergeJob looks at the chain from base down, which is below a volume or below
// a layer.
func (e *Engine) mergeJob(base string, above *layerState, volume string, refs **references) *job {
	line, err := e.lineage(base)
	depth := len(line)
	if above != nil {
		depth++
	}
	if err != nil || depth <= e.o.MergeDepth {
		return nil
	}
	if *refs == nil {
		*refs = e.references()
	}
	run := e.longestRun(line, *refs)
	if depth-max(0, run.end-run.first-1) > e.o.FlattenDepth {
		if j := e.copyJob("flatten", line, volume, above, e.tooDeep(line, above != nil)); j != nil {
			return j
		}
	}
	return e.copyJob("merge", line, volume, above, run)
}

// span is a part of a line of layers.
type span struct{ first, end int }

// copyJob makes one layer of a part of the line, which is below a volume or below
// a layer; nil if there is nothing to be had by it, or not now.
func (e *Engine) copyJob(verb string, line []*layerState, volume string, above *layerState, s span) *job {
	if s.end-s.first < 2 {
		return nil
	}
	stop := ""
	if s.end < len(line) {
		stop = line[s.end].id
	}
	if s.first > 0 {
		above, volume = line[s.first-1], ""
	}
	top, n := line[s.first].id, s.end-s.first
	name := fmt.Sprintf("%s %d layers from %s down", verb, n, top)
	if e.skips(name) || e.leaving[stop] > 0 {
		return nil
	}
	p, toStay := newPace(true, nil), verb == "flatten"
	if toStay {
		p.slow = e.unhurried
	}
	return &job{name, stop, func(ctx context.Context) error {
		began := time.Now()
		err := e.flatten(ctx, top, stop, volume, above, p)
		if errors.Is(err, errChanged) || e.gone(top) || stop != "" && e.gone(stop) { // overtaken
			return nil
		}
		if err == nil && toStay {
			e.log.Info("a chain of layers that had grown long was copied into one", "layers", n, "top", top,
				"bytes", p.total, "took", time.Since(began).Round(time.Millisecond))
		}
		return err
	}}
}

// longestRun returns the longest run of layers that have no name and serve
// only the one above.
func (e *Engine) longestRun(line []*layerState, refs *references) (longest span) {
	for i := 0; i < len(line); {
		j := i
		for j < len(line) && refs.isNameless(line[j]) {
			j++
		}
		if j-i > longest.end-longest.first {
			longest = span{i, j}
		}
		i = j + 1
	}
	return longest
}

// references say how often each layer is needed, and which have a name.
type references struct {
	count map[string]int
	named map[string]bool
}

// references counts. The caller holds mu.
func (e *Engine) references() *references {
	r := &references{map[string]int{}, map[string]bool{}}
	for _, l := range e.layers {
		r.count[l.meta.Parent]++
		r.named[l.id] = l.meta.Keep || l.readers > 0
	}
	for _, s := range e.volumes {
		r.count[s.meta.Base]++
		for _, snap := range s.meta.Snapshots {
			r.named[snap.Layer] = true
		}
	}
	for b := range e.made {
		r.named[b.parent] = true
	}
	return r
}

// isNameless reports whether a layer is neither kept nor a snapshot, and only
// one volume or layer is built on it.
func (r *references) isNameless(l *layerState) bool {
	return !r.named[l.id] && r.count[l.id] == 1
}

// tooDeep is what to flatten of a chain that stands below a volume, or below an
// image. What can be done beneath an image is done there, for all who stand on
// it, and beneath the lowest of those that are too deep: all that it stands on,
// so that blocks of old images that no newer one shows can go with the names of
// those. If at least half of a volume's chain are snapshots of its own, these
// are.
func (e *Engine) tooDeep(line []*layerState, belowImage bool) span {
	image := slices.IndexFunc(line, func(l *layerState) bool { return l.meta.Keep })
	switch {
	case image < 0:
		return span{0, len(line)}
	case len(line)-image > e.o.FlattenDepth:
		return span{} // that image's own turn
	case belowImage:
		return span{0, len(line)}
	case len(line)-image <= len(line)/2:
		return span{0, image}
	}
	return span{image + 1, len(line)}
}

// pace reports progress, and, in the background, works no more than half of
// the time, so that the disk has time for the machines; a ninth of it while
// slow says so.
type pace struct {
	gentle   bool
	slow     func() bool // nil: never
	progress func(done, total int64)

	mu          sync.Mutex
	done, total int64
	last        time.Time
}

// slowRatio is the time that a copy leaves to others per time it takes.
const slowRatio = 8

func newPace(gentle bool, progress func(done, total int64)) *pace {
	if progress == nil {
		progress = func(done, total int64) {}
	}
	return &pace{gentle: gentle, progress: progress, last: time.Now()}
}

func (p *pace) start(total int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done, p.total, p.last = 0, total, time.Now()
	p.progress(0, total)
}

func (p *pace) step(ctx context.Context, n int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done = min(p.done+n, p.total)
	p.progress(p.done, p.total)
	if p.gentle {
		rest := time.Since(p.last)
		if p.slow != nil && p.slow() {
			rest *= slowRatio
		}
		pause(ctx, min(rest, time.Second))
	}
	p.last = time.Now()
}
