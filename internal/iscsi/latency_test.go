package iscsi

import (
	"testing"
	"time"

	"bootes.dev/internal/iscsi/pdu"
)

// A bucket holds what is above the bound before it and not above its own, and
// the bounds are those of Prometheus' schema 2.
func TestLatencyBuckets(t *testing.T) {
	for i, bound := range latencyBounds {
		if got := latencyBucket(bound); got != i {
			t.Errorf("%d ns is in bucket %d, want %d", bound, got, i)
		}
		if got := latencyBucket(bound + 1); got != i+1 {
			t.Errorf("%d ns is in bucket %d, want %d", bound+1, got, i+1)
		}
	}
	for ns, want := range map[int64]int{0: 0, 1: 0, int64(time.Second): -lowestBucket, int64(time.Hour): latencyBuckets - 1} {
		if got := latencyBucket(ns); got != want {
			t.Errorf("%d ns is in bucket %d, want %d", ns, got, want)
		}
	}
}

func TestLatency(t *testing.T) {
	var h histogram
	for range 99 {
		h.add(int64(time.Millisecond), 4096)
	}
	h.add(int64(time.Hour), 512)
	l := h.snapshot()
	if l.Count != 100 || l.Bytes != 99*4096+512 || l.Sum != 99*time.Millisecond+time.Hour {
		t.Errorf("%d commands, %d bytes, %v", l.Count, l.Bytes, l.Sum)
	}
	if p := l.Quantile(0.5); p < time.Millisecond || p > 1200*time.Microsecond {
		t.Errorf("p50 %v", p)
	}
	if p := l.Quantile(0.999); p != 64*time.Second {
		t.Errorf("p99.9 %v", p)
	}
	if n := l.Within(2 * time.Millisecond); n != 99 {
		t.Errorf("%d commands took 2 ms or less", n)
	}
	buckets, zero, threshold := l.Native()
	if buckets[-39] != 99 || buckets[25] != 1 || len(buckets) != 2 || zero != 0 || threshold != 1.0/(1<<20) {
		t.Errorf("native %v, %d below %v", buckets, zero, threshold)
	}
	sum := Latency{}
	sum.Add(l)
	sum.Add(l)
	if sum.Count != 200 || sum.Quantile(0.5) != l.Quantile(0.5) || (&Latency{}).Quantile(0.5) != 0 {
		t.Errorf("sum %d commands, p50 %v", sum.Count, sum.Quantile(0.5))
	}
}

// What is served is counted by its kind, and what is not Good is not.
func TestLatencies(t *testing.T) {
	s, addr := serve(t, Options{Authority: newAuthority(newMemory(1 << 20))})
	i := dial(t, addr).login()
	i.read10(0, 8)
	i.write10(0, make([]byte, 1024))
	i.write10(0, make([]byte, 512))
	i.command(pdu.SCSICommand{Final: true}, nil, 0x35)
	i.expectGood()
	list := append([]byte{0, 22, 0, 16, 7: 0}, make([]byte, 16)...)
	i.command(pdu.SCSICommand{Final: true, Write: true, Expected: 24}, list, 0x42, 0, 0, 0, 0, 0, 0, 0, 24)
	i.expectGood()
	i.testUnitReady(0) // no I/O
	i.expectGood()
	i.command(pdu.SCSICommand{Final: true, Read: true, Expected: 512}, nil, 0x28, 0, 0xff, 0, 0, 0, 0, 0, 1)
	i.expectSense(5, 0x21, 0)

	units := s.Latencies()
	if len(units) != 2 {
		t.Fatalf("%d units", len(units))
	}
	u := units[0]
	if u.LUN != 0 {
		u = units[1]
	}
	if u.Name != "disk" || time.Since(u.Since) > time.Minute || len(u.Slow) != 0 {
		t.Errorf("unit %q since %v, %d slow", u.Name, u.Since, len(u.Slow))
	}
	for op, want := range map[Op][2]uint64{OpRead: {1, 4096}, OpWrite: {2, 1536}, OpFlush: {1, 0}, OpUnmap: {1, 24}} {
		if l := u.Ops[op]; l.Count != want[0] || l.Bytes != want[1] || l.Sum <= 0 {
			t.Errorf("%v: %d commands, %d bytes, %v", op, l.Count, l.Bytes, l.Sum)
		}
	}
	before := s.Totals()
	if r, w := before[OpRead], before[OpWrite]; r.Count != 1 || w.Count != 2 || w.Bytes != 1536 {
		t.Errorf("in all %d reads, %d writes of %d bytes", r.Count, w.Count, w.Bytes)
	}
	if got := s.Sessions()[0].Usage; got != (Usage{Reads: 1, ReadBytes: 4096, Writes: 2, WrittenBytes: 1536}) {
		t.Errorf("usage %+v", got)
	}
	i.conn.Close()
	eventually(t, "the units are closed", func() bool { return len(s.Latencies()) == 0 })
	if after := s.Totals(); after != before {
		t.Errorf("what closed units have done is %+v, and was %+v", after, before)
	}
}

// What a machine does not take is seen to be on its way still.
func TestUnacknowledged(t *testing.T) {
	s, addr := serve(t, Options{Authority: newAuthority(newMemory(16 << 20))})
	i := dial(t, addr).login()
	target := s.Sessions()[0].Target
	eventually(t, "the login is acknowledged", func() bool { return s.Unacknowledged(target) == 0 })
	i.command(pdu.SCSICommand{Final: true, Read: true, Expected: 16 << 20}, nil, 0x28, 0, 0, 0, 0, 0, 0, 0x80, 0)
	eventually(t, "more was sent than is taken", func() bool { return s.Unacknowledged(target) > 0 })
}
