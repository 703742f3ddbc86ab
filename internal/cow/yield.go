package cow

import (
	"context"
	"slices"
)

// Background work must never be why somebody is refused: what it reads may be
// removed all the same, and goes when it is done; and when a layer is to be
// removed that it makes another one on, it gives way.

// running is the background job under way.
type running struct {
	*job
	cancel context.CancelFunc
	done   chan struct{}
}

// begin takes the next job, nil if there is none, until end is called. It is
// over when its context is.
func (e *Engine) begin(ctx context.Context) (_ context.Context, j *job, end func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if j = e.nextJob(); j == nil {
		return ctx, nil, nil
	}
	r := &running{job: j, done: make(chan struct{})}
	ctx, r.cancel = context.WithCancel(ctx)
	e.running = r
	return ctx, j, func() {
		r.cancel()
		e.mu.Lock()
		e.running = nil
		e.mu.Unlock()
		close(r.done)
	}
}

// giveWay ends the background job that makes a layer on this one, and has none
// begin before resume is called. It reports false if there is no such job, or
// if somebody else stands on the layer.
func (e *Engine) giveWay(layer string) (resume func(), ended bool) {
	e.mu.Lock()
	r := e.running
	if r == nil || r.on != layer || e.carries(layer) {
		e.mu.Unlock()
		return nil, false
	}
	e.leaving[layer]++
	e.mu.Unlock()
	r.cancel()
	<-r.done
	return func() {
		e.mu.Lock()
		if e.leaving[layer]--; e.leaving[layer] == 0 {
			delete(e.leaving, layer)
		}
		e.mu.Unlock()
		e.wakeUp()
	}, true
}

// carries reports whether anything that is needed stands on a layer. What a job
// has just made is not, until it has its place. The caller holds mu.
func (e *Engine) carries(layer string) bool {
	d := e.dependents(layer)
	return len(d.Volumes) > 0 || slices.ContainsFunc(d.Layers, func(id string) bool { return e.needed(e.layers[id]) })
}
