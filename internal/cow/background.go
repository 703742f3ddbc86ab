package cow

import (
	"context"
	"errors"
	"time"

	"bootes.dev/internal/block"
)

// until joins the end of the engine to a context.
func (e *Engine) until(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(e.ctx, cancel)
	return ctx, func() { stop(); cancel() }
}

// wakeUp has the background look for work.
func (e *Engine) wakeUp() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// work merges and hashes until the engine is closed. It never holds a lock
// that anybody waits for over the long parts.
func (e *Engine) work() {
	for {
		began := time.Now()
		e.settle(e.ctx)
		again := time.NewTimer(e.untilNext(began))
		select {
		case <-e.ctx.Done():
		case <-e.wake:
		case <-again.C:
		}
		again.Stop()
		if e.ctx.Err() != nil {
			return
		}
	}
}

// setback is background work that failed. What failed for want of space is
// tried again, the others not in this opening.
type setback struct {
	wait  time.Duration // 0: for good
	until time.Time
}

const (
	firstWait = time.Minute
	maxWait   = time.Hour
)

// setBack notes that a job failed.
func (e *Engine) setBack(name string, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := setback{}
	if errors.Is(noSpace(err), block.ErrNoSpace) {
		s.wait = min(max(2*e.skip[name].wait, firstWait), maxWait)
		s.until = time.Now().Add(s.wait)
	}
	e.skip[name] = s
	e.log.Error("background work failed", "work", name, "err", err, "again_in", s.wait)
}

// skips reports whether a job is not to be tried now. The caller holds mu.
func (e *Engine) skips(name string) bool {
	s, failed := e.skip[name]
	return failed && (s.wait == 0 || time.Now().Before(s.until))
}

// untilNext is how long it is until a job that failed is to be tried again.
// One that was due when the last round began, and is still there, is not
// needed any more.
func (e *Engine) untilNext(began time.Time) time.Duration {
	e.mu.Lock()
	defer e.mu.Unlock()
	next := maxWait
	for name, s := range e.skip {
		switch {
		case s.wait == 0:
		case s.until.Before(began):
			delete(e.skip, name)
		default:
			next = min(next, max(time.Until(s.until), 0))
		}
	}
	return next
}

// Settle does all background work that there is to do, merging, hashing and
// freeing, and returns when it is done. Errors of it are in the log.
func (e *Engine) Settle(ctx context.Context) error {
	leave, err := e.enter()
	if err != nil {
		return err
	}
	defer leave()
	ctx, cancel := e.until(ctx)
	defer cancel()
	e.waiting.Add(1)
	defer e.waiting.Add(-1)
	e.settle(ctx)
	if err := ctx.Err(); err != nil {
		return err
	}
	return e.trash.await(ctx)
}

// settle does one job after the other, but those that failed: see setback.
func (e *Engine) settle(ctx context.Context) {
	for ctx.Err() == nil {
		select {
		case e.jobs <- struct{}{}:
		case <-ctx.Done():
			return
		}
		more := e.settleOne(ctx)
		<-e.jobs
		if !more {
			return
		}
	}
}

func (e *Engine) settleOne(ctx context.Context) (more bool) {
	within, j, end := e.begin(ctx)
	if j == nil {
		return false
	}
	err := j.run(within)
	ended := within.Err() != nil
	end()
	switch {
	case err == nil:
		e.mu.Lock()
		delete(e.skip, j.name)
		e.mu.Unlock()
	case !ended:
		e.setBack(j.name, err)
	}
	return true
}

// job is one piece of background work, named for the log.
type job struct {
	name string
	on   string // the layer that it makes another one on; "" for none
	run  func(ctx context.Context) error
}

// unhurried reports whether nobody waits for the work under way to end, or for
// a digest.
func (e *Engine) unhurried() bool {
	if e.waiting.Load() > 0 {
		return false
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.nextToHash() == nil
}

// nextJob prefers hashing: people wait for digests. The caller holds mu.
func (e *Engine) nextJob() *job {
	if j := e.nextToHash(); j != nil {
		return j
	}
	return e.nextToMerge()
}
