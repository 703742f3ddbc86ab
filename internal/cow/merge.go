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
// MergeDepth layers a run of nameless neighbours is merged; one of more than
// FlattenDepth layers is flattened. The caller holds mu.
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
	first, end := e.longestRun(line, *refs)
	if depth > e.o.FlattenDepth {
		first, end = e.tooDeep(line, above != nil)
	}
	if end-first < 2 {
		return nil
	}
	stop := ""
	if end < len(line) {
		stop = line[end].id
	}
	if first > 0 {
		above, volume = line[first-1], ""
	}
	top := line[first].id
	name := fmt.Sprintf("merge %d layers from %s down", end-first, top)
	if e.skips(name) || e.leaving[stop] > 0 {
		return nil
	}
	return &job{name, stop, func(ctx context.Context) error {
		err := e.flatten(ctx, top, stop, volume, above, newPace(true, nil))
		if errors.Is(err, errChanged) || e.gone(top) || stop != "" && e.gone(stop) { // overtaken
			return nil
		}
		return err
	}}
}

// longestRun returns the longest run of layers that have no name and serve
// only the one above.
func (e *Engine) longestRun(line []*layerState, refs *references) (first, end int) {
	for i := 0; i < len(line); {
		j := i
		for j < len(line) && refs.isNameless(line[j]) {
			j++
		}
		if j-i > end-first {
			first, end = i, j
		}
		i = j + 1
	}
	return first, end
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
// it, and beneath the lowest of those that are too deep.
func (e *Engine) tooDeep(line []*layerState, belowImage bool) (first, end int) {
	image := slices.IndexFunc(line, func(l *layerState) bool { return l.meta.Keep })
	switch {
	case image < 0:
		return 0, len(line)
	case len(line)-image > e.o.FlattenDepth:
		return 0, 0 // that image's own turn
	case belowImage:
		return 0, e.ground(line)
	case len(line)-image <= max(e.o.MergeDepth, len(line)/2):
		return 0, image
	}
	return image + 1, e.ground(line)
}

// ground is how far down an image is flattened: to one that is no deeper than
// MergeDepth, or all.
func (e *Engine) ground(line []*layerState) int {
	for i, l := range line {
		if l.meta.Keep && len(line)-i <= e.o.MergeDepth {
			return i
		}
	}
	return len(line)
}

// pace reports progress, and, in the background, works no more than half of
// the time, so that the disk has time for the machines.
type pace struct {
	gentle   bool
	progress func(done, total int64)

	mu          sync.Mutex
	done, total int64
	last        time.Time
}

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
		pause(ctx, min(time.Since(p.last), time.Second))
	}
	p.last = time.Now()
}
