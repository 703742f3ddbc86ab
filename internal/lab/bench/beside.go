package bench

import (
	"context"
	"errors"
	"time"

	"bootes.dev/internal/lab/load"
	"golang.org/x/sync/errgroup"
)

// besideMargin is how much longer than the one the others run, before and after.
const besideMargin = 300 * time.Millisecond

// putBeside has two clients do a job: one its first stream, at queue depth 1, the
// other the rest. In one process the first would wait until the others' answers
// have been looked at, which is no wait for the target; nor is it one when an
// answer lies in its socket while the rest's client has the core. The report is
// that of the rest, with the latency of the first.
func (b *bench) putBeside(ctx context.Context, s *side, j load.Job) (_ load.Report, err error) {
	if err := s.together(ctx); err != nil {
		return load.Report{}, err
	}
	defer func() { err = errors.Join(err, s.apart(ctx)) }()
	one, rest := j, j
	one.Streams, rest.Streams = []load.Stream{j.Streams[0]}, j.Streams[1:]
	one.Streams[0].Depth = 1
	rest.Seconds += 2 * besideMargin.Seconds()
	g, group := errgroup.WithContext(ctx)
	var first, others load.Report
	g.Go(func() (err error) {
		others, err = b.put(group, s, rest)
		return err
	})
	g.Go(func() (err error) {
		select {
		case <-time.After(besideMargin):
			first, err = b.put(group, s.prompt(), one)
		case <-group.Done():
		}
		return err
	})
	if err := g.Wait(); err != nil {
		return load.Report{}, err
	}
	f := first.Streams[0]
	others.Streams = append([]load.Figures{{P50: f.P50, P99: f.P99, Max: f.Max}}, others.Streams...)
	return others, nil
}
