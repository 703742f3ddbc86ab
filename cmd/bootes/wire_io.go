package main

import (
	"maps"
	"slices"

	"bootes.dev/internal/iscsi"
	"bootes.dev/internal/metrics"
)

// ops are the kinds of I/O that are measured.
var ops = []iscsi.Op{iscsi.OpRead, iscsi.OpWrite, iscsi.OpFlush, iscsi.OpUnmap}

// io is what Prometheus is told of them.
func (h *house) io() (list []metrics.IO) {
	all := h.targets.Latencies()
	for _, volume := range slices.Sorted(maps.Keys(all)) {
		for _, op := range ops {
			l := all[volume].Ops[op]
			m := metrics.IO{
				Volume: volume, Op: op.String(), Count: l.Count, Bytes: l.Bytes, Sum: l.Sum, Within: l.Within, Schema: iscsi.LatencySchema,
			}
			m.Buckets, m.Zero, m.Threshold = l.Native()
			list = append(list, m)
		}
	}
	return list
}
