package main

import (
	"maps"
	"slices"

	"bootes.dev/internal/iscsi"
	"bootes.dev/internal/metrics"
)

// ops are the kinds of I/O that are measured.
var ops = []iscsi.Op{iscsi.OpRead, iscsi.OpWrite, iscsi.OpFlush, iscsi.OpUnmap}

// latencies are those of the volumes that are open: of one that several machines
// have, of all together.
func (t *targets) latencies() map[string]iscsi.UnitIO {
	r := t.now.Load()
	if r == nil {
		return nil
	}
	byVolume := map[string]iscsi.UnitIO{}
	for _, u := range r.server.Latencies() {
		if u.Name == "" {
			continue // no volume
		}
		if other, ok := byVolume[u.Name]; ok {
			u = u.Plus(other)
		}
		byVolume[u.Name] = u
	}
	return byVolume
}

// io is what Prometheus is told of them.
func (t *targets) io() (list []metrics.IO) {
	all := t.latencies()
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
