package bench

import (
	"context"
	"fmt"

	"bootes.dev/internal/goals"
	"bootes.dev/internal/lab/load"
)

// idleGoal is what an idle session may take, in bytes.
const idleGoal = 64 << 10

// idle measures what sessions cost that do nothing.
func (b *bench) idle(ctx context.Context, s sides, metrics string) error {
	t := goals.New(b.Out, fmt.Sprintf("%d sessions, idle", b.idleSessions()), "resident before", "and with them", "Go heap and stacks before", "and with them",
		"logged in within", "for each session", "goal")
	for _, side := range []*side{s.ours, s.theirs} {
		job := load.Job{Idle: &load.Idle{Endpoint: side.endpoint, Sessions: b.idleSessions()}}
		goal := ""
		if side == s.ours {
			job.Idle.Metrics, goal = metrics, fmt.Sprintf("< %d KiB", idleGoal>>10)
		}
		r, err := b.put(ctx, side, job)
		if err != nil {
			return err
		}
		i := r.Idle
		each := (i.With.Resident - i.Before.Resident) / int64(job.Idle.Sessions)
		t.Row(each < idleGoal, goal, side.name, mib(i.Before.Resident), mib(i.With.Resident), heap(i.Before.Heap), heap(i.With.Heap),
			goals.Short(i.Login), fmt.Sprintf("%.1f KiB", float64(each)/1024))
	}
	return nil
}

// allocations counts what READs and WRITEs make the Go runtime allocate, while
// the server does little else.
func (b *bench) allocations(ctx context.Context, s *side, metrics string) error {
	t := goals.New(b.Out, "allocations", "for each", "of", "goal")
	for _, name := range []string{"READ", "WRITE"} {
		from, span := smallWrites.of(b.diskSize())
		j := load.Job{Seconds: b.Seconds, Metrics: metrics, Streams: []load.Stream{{
			Endpoint: s.endpoint, Size: small, Depth: 32, Random: true, Write: name == "WRITE", From: from, Span: span,
		}}}
		r, err := b.put(ctx, s, j)
		if err != nil {
			return err
		}
		ops := r.Streams[0].Ops
		each := float64(r.Mallocs) / float64(max(ops, 1))
		t.Row(each < 0.1, "0", name+" of 4 KiB, QD 32", fmt.Sprintf("%.3f", each), fmt.Sprint(ops))
	}
	return nil
}

func mib(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }

func heap(n int64) string {
	if n == 0 {
		return ""
	}
	return mib(n)
}
