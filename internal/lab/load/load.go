// Package load puts load on an iSCSI target, or on a server of files, and tells
// what came of it. It runs
// in a process of its own (`lab load`), on the client's side of a lab's network,
// so that what the client costs is told apart from what the target costs.
package load

import (
	"context"
	"errors"
	"fmt"
	"time"

	"bootes.dev/internal/initiator"
	"bootes.dev/internal/quantile"
)

// Endpoint is a logical unit and how to reach it.
type Endpoint struct {
	Portal       string // host:port
	Initiator    string
	Target       string
	User, Secret string // CHAP, if there is a User
	LUN          uint8
}

// Job is what one process does: one of its parts.
type Job struct {
	Streams []Stream // at once, each in a session of its own
	Seconds float64  // that streams are measured for

	Replay []Endpoint // each replays the reads of a boot
	Idle   *Idle
	TFTP   *TFTP
	HTTP   *HTTP

	Server  int    // process id of the target, whose CPU is counted; 0: nobody's
	Metrics string // unix socket on which it tells of its allocations, or ""
}

// Stream is a session that keeps a queue full.
type Stream struct {
	Endpoint
	Size, Depth   int // bytes of one I/O; how many at once
	Write, Random bool
	Shift         int64 // bytes by which each I/O is off its natural place
	From, Span    int64 // the part of the disk, in bytes; Span 0: to its end
	// Stamped: what is read was stamped by generation 0, and is looked at from
	// time to time. What is written is stamped in any case, by generation 1,
	// and read back after the measurement.
	Stamped bool
	Forget  bool // nothing is read back, and nobody logs out: the target is a bare loop
}

// Report is what came of a job.
type Report struct {
	Streams []Figures
	Seconds float64
	Server  time.Duration // CPU time of the target meanwhile
	Client  time.Duration // and of this process
	Mallocs int64         // what the target allocated meanwhile, if it tells

	Replay Figures // all sessions together
	Idle   IdleReport
	TFTP   TFTPReport
	HTTP   HTTPReport
}

// Figures of one stream.
type Figures struct {
	Ops, Bytes    int64
	P50, P99, Max time.Duration
}

func figures(h *quantile.Histogram) Figures {
	return Figures{Ops: h.N(), P50: h.Quantile(0.5), P99: h.Quantile(0.99), Max: h.Max()}
}

// Run does a job.
func Run(ctx context.Context, j Job) (Report, error) {
	switch {
	case j.Idle != nil:
		r, err := j.Idle.run(ctx, j.Server)
		return Report{Idle: r}, err
	case j.TFTP != nil:
		return j.TFTP.run(ctx, &j)
	case j.HTTP != nil:
		return j.HTTP.run(ctx, &j)
	case len(j.Replay) > 0:
		return replay(ctx, j)
	}
	return streams(ctx, j)
}

func (e Endpoint) dial(ctx context.Context, depth int) (*initiator.Session, error) {
	return initiator.Dial(ctx, e.Portal, initiator.Options{
		Initiator: e.Initiator, Target: e.Target, User: e.User, Secret: e.Secret,
		Algorithms:    "5", // the only one that tgt and we mean the same by
		ImmediateData: true, FirstBurst: 256 << 10, Depth: depth,
	})
}

func (e Endpoint) open(ctx context.Context, depth int) (*initiator.Disk, error) {
	s, err := e.dial(ctx, depth)
	if err != nil {
		return nil, err
	}
	d, err := s.Disk(ctx, e.LUN)
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return d, nil
}

// meter counts CPU time, and allocations, from its making on.
type meter struct {
	ctx            context.Context
	job            *Job
	began          time.Time
	target, client time.Duration
	mallocs, look  int64 // allocations so far, and of one look at them
}

func newMeter(ctx context.Context, j *Job) (m meter, err error) {
	m = meter{ctx: ctx, job: j}
	if m.look, err = m.allocations(); err != nil {
		return m, err
	}
	if m.mallocs, err = m.allocations(); err != nil {
		return m, err
	}
	m.look = m.mallocs - m.look
	if j.Server != 0 {
		m.target, err = CPU(j.Server)
	}
	m.client, m.began = ownCPU(), time.Now()
	return m, err
}

func (m meter) read(r *Report) (err error) {
	r.Seconds, r.Client = time.Since(m.began).Seconds(), ownCPU()-m.client
	if m.job.Server != 0 {
		now, err := CPU(m.job.Server)
		if err != nil {
			return err
		}
		r.Server = now - m.target
	}
	r.Mallocs, err = m.allocations()
	r.Mallocs = max(0, r.Mallocs-m.mallocs-m.look)
	return err
}

func (m meter) allocations() (int64, error) {
	if m.job.Metrics == "" {
		return 0, nil
	}
	return scrape(m.ctx, m.job.Metrics, "go_memstats_mallocs_total")
}

// warmUp before a measurement.
const warmUp = 300 * time.Millisecond

func streams(ctx context.Context, j Job) (r Report, err error) {
	all := make([]*stream, len(j.Streams))
	defer func() {
		for _, s := range all {
			if s != nil {
				err = errors.Join(err, s.close(ctx))
			}
		}
	}()
	for i, cfg := range j.Streams {
		if all[i], err = openStream(ctx, cfg); err != nil {
			return r, err
		}
	}
	for _, s := range all {
		if err := s.start(); err != nil {
			return r, err
		}
	}
	if err := pause(ctx, warmUp); err != nil {
		return r, err
	}
	for _, s := range all {
		s.phase.Store(measured)
	}
	m, err := newMeter(ctx, &j)
	if err == nil {
		err = pause(ctx, time.Duration(j.Seconds*float64(time.Second)))
	}
	err = errors.Join(err, m.read(&r))
	for _, s := range all {
		s.phase.Store(over)
	}
	for _, s := range all {
		<-s.done
		err = errors.Join(err, s.fault)
		r.Streams = append(r.Streams, s.figures())
	}
	if err != nil {
		return r, fmt.Errorf("put load on the target: %w", err)
	}
	return r, nil
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
