package iscsi

import (
	"context"
	"maps"
	"runtime"
	"slices"
	"testing"
	"time"

	client "bootes.dev/internal/initiator"
	"bootes.dev/internal/iscsi/pdu"
)

// bystander is a machine that reads its disk while others misbehave. It comes
// from an address of its own.
type bystander struct {
	t    *testing.T
	disk *client.Disk
	stop chan struct{}
	done chan []time.Duration
}

// loopback2 is another address of this host.
const loopback2 = "127.0.0.2"

func dialFrom(from string) func(context.Context, string) (conn, error) {
	return func(ctx context.Context, addr string) (conn, error) {
		return dialerFrom(from).DialContext(ctx, "tcp", addr)
	}
}

func newBystander(t *testing.T, addr string) *bystander {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	s, err := client.Dial(ctx, addr, client.Options{
		Initiator: "iqn.2026-01.dev.bootes:init:bystander", Target: testTarget, User: testUser, Secret: testSecret,
		ImmediateData: true, Depth: 2, Dial: dialFrom(loopback2),
	})
	if err != nil {
		t.Fatal(err)
	}
	b := &bystander{t: t, stop: make(chan struct{}), done: make(chan []time.Duration, 1)}
	if b.disk, err = s.Disk(ctx, 0); err != nil {
		t.Fatal(err)
	}
	go b.run()
	return b
}

func (b *bystander) run() {
	var all []time.Duration
	defer func() { b.done <- all }()
	p := make([]byte, 4096)
	for i := int64(0); ; i++ {
		select {
		case <-b.stop:
			return
		default:
		}
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		began := time.Now()
		err := b.disk.ReadAt(ctx, p, i%64*4096)
		all = append(all, time.Since(began))
		cancel()
		if err != nil {
			b.t.Errorf("another machine cannot read: %v", err)
			return
		}
		time.Sleep(200 * time.Microsecond)
	}
}

// What a bystander may have to wait in the middle and at worst: much more than
// it does, on a machine that floods itself, and less than an initiator notices
// (Linux pings after 5 s).
const (
	usualWait = 250 * time.Millisecond
	worstWait = 3 * time.Second
)

// end tells how long the bystander had to wait.
func (b *bystander) end() {
	b.t.Helper()
	close(b.stop)
	all := <-b.done
	_ = b.disk.Session().Close()
	if len(all) == 0 {
		return
	}
	slices.Sort(all)
	usual, worst := all[len(all)/2], all[len(all)-1]
	b.t.Logf("meanwhile another machine: %d READs, p50 %v, p99 %v, slowest %v", len(all), usual, all[len(all)*99/100], worst)
	if usual > usualWait && !raceEnabled || worst > worstWait {
		b.t.Errorf("another machine had to wait %v, at worst %v", usual, worst)
	}
}

// footprint is what a server holds.
type footprint struct {
	goroutines int
	heap       uint64
}

func takeFootprint() footprint {
	runtime.GC()
	runtime.GC() // what the pools held goes with the second
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return footprint{runtime.NumGoroutine(), m.HeapAlloc}
}

// slack is what the heap may differ by, in bytes.
const slack = 4 << 20

// back waits until memory and goroutines are where they were.
func (before footprint) back(t *testing.T, s *Server) {
	t.Helper()
	var now footprint
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		now = takeFootprint()
		s.mu.Lock()
		left := s.pending + s.count + len(s.targets)
		s.mu.Unlock()
		s.budget.mu.Lock()
		held := s.budget.all - s.budget.free
		s.budget.mu.Unlock()
		if left == 0 && held == 0 && now.goroutines <= before.goroutines && now.heap < before.heap+slack {
			return
		}
	}
	t.Errorf("%d goroutines and %d KiB of heap, before it %d and %d KiB", now.goroutines, now.heap>>10, before.goroutines, before.heap>>10)
}

// Who ends the last command that another's task management request waits for
// does not wait for that other's initiator, who may not read.
func TestTaskManagementOfTheDeaf(t *testing.T) {
	disk := newMemory(1 << 20)
	disk.gate = make(chan struct{})
	s, addr := serve(t, Options{Authority: newAuthority(disk), WriteTimeout: time.Minute})
	one, deaf := dial(t, addr).login(), dial(t, addr).as(testUser, testSecret, 2).login()
	one.command(pdu.SCSICommand{Final: true, Write: true, Expected: 512}, make([]byte, 512), writeCDB(0, 1)...)
	eventually(t, "a write is under way", func() bool { return disk.busy.Load() == 1 })
	deaf.manage(pdu.TaskRequest{Function: pdu.TaskClearTaskSet})
	for range 100 {
		deaf.attributed(pdu.AttrHeadOfQueue, pdu.SCSICommand{Final: true, Read: true, Expected: 1 << 20}, nil, 0x28, 0, 0, 0, 0, 0, 0, 8, 0)
	}
	eventually(t, "its answers fill what there is room for", func() bool {
		for _, sess := range sessionsOf(s) {
			sess.out.mu.Lock()
			full := sess.out.writing && sess.out.fill != nil && sess.out.fill.full()
			sess.out.mu.Unlock()
			if full {
				return true
			}
		}
		return false
	})
	disk.gate <- struct{}{}
	one.conn.Close()
	eventually(t, "the other session has ended", func() bool { return len(s.Sessions()) == 1 })
}

func sessionsOf(s *Server) []*session {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Keys(s.targets[testTarget].sessions))
}
