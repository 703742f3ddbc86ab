package bench

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"bootes.dev/internal/lab"
	"bootes.dev/internal/lab/load"
)

// side is an iSCSI target and the host on its network that puts load on it.
type side struct {
	name     string
	client   *lab.Host
	pid      int // of the target
	endpoint load.Endpoint
	by       []string // the command, if any, that starts its clients
}

// url is the disk's for libiscsi's tools.
func (s *side) url() string {
	e := s.endpoint
	return fmt.Sprintf("iscsi://%s%%%s@%s/%s/%d", e.User, e.Secret, e.Portal, e.Target, e.LUN)
}

// put has a process of its own on the side's client do a job.
func (b *bench) put(ctx context.Context, s *side, j load.Job) (r load.Report, err error) {
	j.Server = s.pid
	job, err := jobFile(j)
	if err != nil {
		return r, err
	}
	defer os.Remove(job)
	out, err := s.run(ctx, b.Lab, "load", job)
	if err != nil {
		return r, fmt.Errorf("put load on %s: %w", s.name, err)
	}
	if err := json.Unmarshal(bytes.TrimSpace(out), &r); err != nil {
		return r, fmt.Errorf("read report of the load on %s: %w: %.200q", s.name, err, out)
	}
	return r, nil
}

// jobFile returns the path of a file with j: of a thousand endpoints it is too
// long for an argument.
func jobFile(j load.Job) (path string, err error) {
	f, err := os.CreateTemp("", "bootes-load-*.json")
	if err != nil {
		return "", err
	}
	return f.Name(), errors.Join(json.NewEncoder(f).Encode(j), f.Close())
}

// result is what streams gave, all together.
type result struct {
	iops, bytes float64       // a second
	server      time.Duration // CPU of the target, for one I/O
	perByte     float64       // and for one byte, ns
	client      float64       // CPU of the client, of one core
	p99         time.Duration // of the first stream
}

func resultOf(r load.Report) result {
	var ops, bytes float64
	for _, s := range r.Streams {
		ops, bytes = ops+float64(s.Ops), bytes+float64(s.Bytes)
	}
	return result{
		iops: ops / r.Seconds, bytes: bytes / r.Seconds,
		server:  perOp(r.Server, ops),
		perByte: float64(r.Server) / max(bytes, 1),
		client:  r.Client.Seconds() / r.Seconds,
		p99:     r.Streams[0].P99,
	}
}

func perOp(d time.Duration, ops float64) time.Duration {
	return time.Duration(float64(d) / max(ops, 1)).Round(10 * time.Nanosecond)
}

// medianOf is the result with the middle IOPS.
func medianOf(all []result) result {
	slices.SortFunc(all, func(a, b result) int { return cmp.Compare(a.iops, b.iops) })
	return all[len(all)/2]
}

// medianP99 is the middle p99.
func medianP99(all []result) time.Duration {
	slices.SortFunc(all, func(a, b result) int { return cmp.Compare(a.p99, b.p99) })
	return all[len(all)/2].p99
}
