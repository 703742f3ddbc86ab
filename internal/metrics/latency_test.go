package metrics

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"
)

func someIO() []IO {
	return []IO{{
		Volume: "pc1-1", Op: "read", Count: 10, Bytes: 40960, Sum: 3 * time.Second,
		Within: func(d time.Duration) uint64 { return uint64(min(d/time.Millisecond, 10)) },
		Schema: 2, Buckets: map[int]int64{-39: 7, -10: 2}, Zero: 1, Threshold: 1.0 / (1 << 20),
	}}
}

const wantIO = `# HELP bootes_volume_io_bytes_total Bytes that reads and writes of the volume moved since it was opened.
# TYPE bootes_volume_io_bytes_total counter
bootes_volume_io_bytes_total{op="read",volume="pc1-1"} 40960
# HELP bootes_volume_io_seconds How long reads, writes, flushes and unmaps of the volume took, from the arrival of the command to its answer, since the volume was opened.
# TYPE bootes_volume_io_seconds histogram
bootes_volume_io_seconds_bucket{op="read",volume="pc1-1",le="1.52587890625e-05"} 0
bootes_volume_io_seconds_bucket{op="read",volume="pc1-1",le="6.103515625e-05"} 0
bootes_volume_io_seconds_bucket{op="read",volume="pc1-1",le="0.000244140625"} 0
bootes_volume_io_seconds_bucket{op="read",volume="pc1-1",le="0.0009765625"} 0
bootes_volume_io_seconds_bucket{op="read",volume="pc1-1",le="0.00390625"} 3
bootes_volume_io_seconds_bucket{op="read",volume="pc1-1",le="0.015625"} 10
bootes_volume_io_seconds_bucket{op="read",volume="pc1-1",le="0.0625"} 10
bootes_volume_io_seconds_bucket{op="read",volume="pc1-1",le="0.25"} 10
bootes_volume_io_seconds_bucket{op="read",volume="pc1-1",le="1"} 10
bootes_volume_io_seconds_bucket{op="read",volume="pc1-1",le="4"} 10
bootes_volume_io_seconds_bucket{op="read",volume="pc1-1",le="16"} 10
bootes_volume_io_seconds_bucket{op="read",volume="pc1-1",le="+Inf"} 10
bootes_volume_io_seconds_sum{op="read",volume="pc1-1"} 3
bootes_volume_io_seconds_count{op="read",volume="pc1-1"} 10
`

func TestLatencies(t *testing.T) {
	if err := testutil.CollectAndCompare(latencies{someIO}, strings.NewReader(wantIO)); err != nil {
		t.Error(err)
	}
}

// Prometheus that asks for protocol buffers gets the native histogram.
func TestLatenciesNative(t *testing.T) {
	r := prometheus.NewRegistry()
	r.MustRegister(latencies{someIO})
	all, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var h *dto.Histogram
	for _, f := range all {
		if f.GetName() == "bootes_volume_io_seconds" {
			h = f.GetMetric()[0].GetHistogram()
		}
	}
	if h.GetSchema() != 2 || h.GetZeroCount() != 1 || len(h.GetPositiveSpan()) != 2 || h.GetPositiveSpan()[0].GetOffset() != -39 || h.GetSampleCount() != 10 {
		t.Errorf("histogram %v", h)
	}
}

func TestBrokenLatencies(t *testing.T) {
	r := prometheus.NewRegistry()
	r.MustRegister(latencies{func() []IO {
		return []IO{{Volume: "a", Op: "read", Count: 3, Within: func(time.Duration) uint64 { return 0 }}}
	}})
	if _, err := r.Gather(); err == nil {
		t.Error("counts that do not add up were shown")
	}
}
