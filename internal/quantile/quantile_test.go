package quantile

import (
	"testing"
	"time"
)

func TestHistogram(t *testing.T) {
	var h, other Histogram
	if h.N() != 0 || h.Max() != 0 || h.Quantile(0.5) != 0 {
		t.Errorf("empty: %+v", h)
	}
	for i := range 1000 {
		h.Add(time.Duration(i+1) * time.Microsecond)
	}
	other.Add(time.Second)
	h.Merge(&other)
	near := func(got, want time.Duration) bool { return got <= want && got > want*96/100 }
	if h.N() != 1001 || !near(h.Quantile(0.5), 501*time.Microsecond) || !near(h.Quantile(0.99), 991*time.Microsecond) || h.Max() != time.Second {
		t.Errorf("%d, %v, %v, %v", h.N(), h.Quantile(0.5), h.Quantile(0.99), h.Max())
	}
	for v := uint64(1); v < 1<<58; v = v*5/4 + 1 {
		if got := floorOf(bucket(v)); uint64(got) > v || uint64(got) < v-v/32 {
			t.Errorf("%d is put into the bucket of %d", v, got)
		}
	}
}
