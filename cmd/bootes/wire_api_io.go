package main

import (
	"context"
	"time"

	"bootes.dev/internal/api"
	"bootes.dev/internal/iscsi"
)

// VolumeIO looks twice.
func (h volumes) VolumeIO(ctx context.Context, id string, over time.Duration) (api.VolumeIO, error) {
	if _, err := h.inv.Volume(ctx, id); err != nil {
		return api.VolumeIO{}, apiError(err)
	}
	out := api.VolumeIO{Volume: id}
	before, open := h.targets.Latencies()[id]
	if !open {
		return out, nil
	}
	select {
	case <-time.After(over):
	case <-ctx.Done():
		return out, ctx.Err()
	}
	now, open := h.targets.Latencies()[id]
	if !open {
		return out, nil
	}
	out.Since = &now.Since
	for _, op := range ops {
		out.Ops = append(out.Ops, opIO(op, now.Ops[op], before.Ops[op], over))
	}
	for _, o := range now.Slow {
		out.Slow = append(out.Slow, slowIO(o))
	}
	return out, nil
}

func opIO(op iscsi.Op, now, before iscsi.Latency, over time.Duration) api.OpIO {
	o := api.OpIO{
		Op: op.String(), Commands: now.Count, Bytes: now.Bytes,
		P50US: now.Quantile(0.5).Microseconds(), P99US: now.Quantile(0.99).Microseconds(),
	}
	if now.Count > 0 {
		o.MeanUS = now.Sum.Microseconds() / int64(now.Count)
	}
	if now.Count >= before.Count && now.Bytes >= before.Bytes { // else it was opened anew
		o.IOPS = float64(now.Count-before.Count) / over.Seconds()
		o.BytesPerSecond = float64(now.Bytes-before.Bytes) / over.Seconds()
	}
	return o
}

func slowIO(o iscsi.SlowIO) api.SlowIO {
	return api.SlowIO{
		At: o.At, Machine: o.Session.Remote.Addr().String(), LUN: o.LUN, Op: o.Op.String(), Offset: o.Offset, Length: o.Length,
		TotalUS: o.Total.Microseconds(), QueueUS: o.Queue.Microseconds(), LockUS: o.Lock.Microseconds(),
		LimitUS: o.Limit.Microseconds(), DiskUS: o.Disk.Microseconds(), SocketUS: o.Socket.Microseconds(),
	}
}
