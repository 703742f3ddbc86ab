package cow

import "context"

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
		e.settle(e.ctx)
		select {
		case <-e.ctx.Done():
			return
		case <-e.wake:
		}
	}
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
	e.settle(ctx)
	if err := ctx.Err(); err != nil {
		return err
	}
	return e.trash.empty(ctx)
}

// settle does one job after the other. One that fails is not tried again in
// this opening.
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
	j := e.nextJob()
	if j == nil {
		return false
	}
	if err := j.run(ctx); err != nil && ctx.Err() == nil {
		e.log.Error("background work failed", "work", j.name, "err", err)
		e.mu.Lock()
		e.skip[j.name] = true
		e.mu.Unlock()
	}
	return true
}

// job is one piece of background work, named for the log.
type job struct {
	name string
	run  func(ctx context.Context) error
}

// nextJob prefers hashing: people wait for digests.
func (e *Engine) nextJob() *job {
	e.mu.Lock()
	defer e.mu.Unlock()
	if j := e.nextToHash(); j != nil {
		return j
	}
	return e.nextToMerge()
}
