package iscsi

import (
	"testing"
	"time"

	"bootes.dev/internal/iscsi/pdu"
)

const noticed = 30 * time.Millisecond

// slowest waits for the slow command that is told of next.
func slowest(t *testing.T, r *recordedEvents) (o SlowIO) {
	t.Helper()
	eventually(t, "a slow command is told of", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		if len(r.slow) == 0 {
			return false
		}
		o, r.slow = r.slow[0], r.slow[1:]
		return true
	})
	return o
}

// A slow command is told of with where it waited, and remembered.
func TestSlowIO(t *testing.T) {
	disk := newMemory(8 << 20)
	disk.gate = make(chan struct{})
	events := new(recordedEvents)
	s, addr := serve(t, Options{Authority: newAuthority(disk), Events: events, SlowIO: noticed})
	i := dial(t, addr).login()
	data := make([]byte, 512)
	write := func() { i.command(pdu.SCSICommand{Final: true, Write: true, Expected: 512}, data, writeCDB(8, 1)...) }
	let := func(n int) {
		time.Sleep(2 * noticed)
		for range n {
			disk.gate <- struct{}{}
			i.expectGood()
		}
	}
	check := func(o SlowIO, where string, op Op, offset, length int64) {
		t.Helper()
		if o.Where() != where || o.Op != op || o.Offset != offset || o.Length != length || o.LUN != 0 || o.Unit != "disk" {
			t.Errorf("%+v, want %s", o, where)
		}
		if sum := o.Queue + o.Lock + o.Limit + o.Disk + o.Socket; o.Total < noticed || sum < o.Total*9/10 || sum > o.Total*11/10 {
			t.Errorf("%v in all, but %v together: %+v", o.Total, sum, o)
		}
		if o.Session.User != testUser || time.Since(o.At) > time.Minute {
			t.Errorf("%+v", o)
		}
	}
	write()
	let(1)
	check(slowest(t, events), "disk", OpWrite, 4096, 512)

	// One more than there are workers.
	for range maxWorkers + 1 {
		write()
	}
	let(maxWorkers + 1)
	for range maxWorkers {
		check(slowest(t, events), "disk", OpWrite, 4096, 512)
	}
	if o := slowest(t, events); o.Queue < noticed {
		t.Errorf("the last one: %+v", o)
	}

	// An initiator that takes its time with the data.
	itt := i.command(pdu.SCSICommand{Final: true, Write: true, Expected: 512}, nil, writeCDB(8, 1)...)
	var r2t pdu.R2T
	i.expect(&r2t)
	time.Sleep(2 * noticed)
	go func() { disk.gate <- struct{}{} }()
	i.burst(itt, r2t.TTT, data, 0, 512, 512)
	i.expectGood()
	check(slowest(t, events), "socket", OpWrite, 4096, 512)

	disk.slow.Store(int64(2 * noticed))
	i.read10(16, 8)
	check(slowest(t, events), "disk", OpRead, 8192, 4096)

	for _, u := range s.Latencies() {
		if u.LUN == 0 && (len(u.Slow) != slowKept || u.Slow[slowKept-1].Op != OpRead) {
			t.Errorf("%d are remembered", len(u.Slow))
		}
	}
}

// An initiator that does not take what it asked for is told of.
func TestSlowSocket(t *testing.T) {
	events := new(recordedEvents)
	_, addr := serve(t, Options{Authority: newAuthority(newMemory(64 << 20)), Events: events, SlowIO: noticed})
	i := dial(t, addr).login()
	for n := range byte(64) {
		i.command(pdu.SCSICommand{Final: true, Read: true, Expected: 1 << 20}, nil, 0x28, 0, 0, 0, n, 0, 0, 8, 0)
	}
	time.Sleep(4 * noticed)
	for got := 0; got < 64<<20; {
		var d pdu.DataIn
		got += len(i.expect(&d))
	}
	o := slowest(t, events)
	if o.Where() != "socket" || o.Op != OpRead || o.Length != 1<<20 || o.Socket < noticed {
		t.Errorf("%+v", o)
	}
}
