package metrics

import (
	"math"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

var (
	volumeIO = desc("volume_io_seconds", "How long reads, writes, flushes and unmaps of the volume took, from the arrival of the "+
		"command to its answer, since the volume was opened.", "volume", "op")
	volumeBytes = desc("volume_io_bytes_total", "Bytes that reads and writes of the volume moved since it was opened.", "volume", "op")
)

// IO is what has been done with one volume that is open, by one kind of
// command.
type IO struct {
	Volume, Op string

	Count uint64
	Bytes uint64
	Sum   time.Duration
	// Within is how many of them took a time or less.
	Within func(time.Duration) uint64
	// Buckets are those of a native histogram of the schema, by index; Zero is
	// for what took Threshold seconds or less.
	Schema    int32
	Buckets   map[int]int64
	Zero      uint64
	Threshold float64
}

// classic are the bounds of the histogram as Prometheus had it before native
// ones, in seconds: powers of 4 from 16 us to 16 s.
var classic = func() (bounds []float64) {
	for e := -16; e <= 4; e += 2 {
		bounds = append(bounds, math.Exp2(float64(e)))
	}
	return bounds
}()

// latencies collects how long commands take.
type latencies struct{ io func() []IO }

// Describe sends all that Collect may send.
func (c latencies) Describe(ch chan<- *prometheus.Desc) {
	ch <- volumeIO
	ch <- volumeBytes
}

// Collect asks the iSCSI server once.
func (c latencies) Collect(ch chan<- prometheus.Metric) {
	for _, io := range c.io() {
		native, err := prometheus.NewConstNativeHistogram(volumeIO, io.Count, io.Sum.Seconds(), io.Buckets, nil,
			io.Zero, io.Schema, io.Threshold, time.Time{}, io.Volume, io.Op)
		if err != nil {
			ch <- prometheus.NewInvalidMetric(volumeIO, err)
			continue
		}
		ch <- bothKinds{native, io.Within}
		if io.Bytes > 0 {
			ch <- prometheus.MustNewConstMetric(volumeBytes, prometheus.CounterValue, float64(io.Bytes), io.Volume, io.Op)
		}
	}
}

// bothKinds is a native histogram that has classic buckets, too: in the text
// format there are no others.
type bothKinds struct {
	prometheus.Metric
	within func(time.Duration) uint64
}

// Write writes the metric into m.
func (b bothKinds) Write(m *dto.Metric) error {
	if err := b.Metric.Write(m); err != nil {
		return err
	}
	for _, bound := range classic {
		n := b.within(time.Duration(bound * float64(time.Second)))
		m.Histogram.Bucket = append(m.Histogram.Bucket, &dto.Bucket{UpperBound: &bound, CumulativeCount: &n})
	}
	return nil
}
