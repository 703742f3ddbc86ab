package initiator_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"bootes.dev/internal/initiator"
	"bootes.dev/internal/iscsi"
	"bootes.dev/internal/iscsi/pdu"
)

// Data of every length goes there and back, however it is moved.
func TestTransfers(t *testing.T) {
	for name, change := range map[string]func(*initiator.Options){
		"immediate": nil,
		"R2T only":  func(o *initiator.Options) { o.ImmediateData, o.InitialR2T = false, true },
		"unsolicited only": func(o *initiator.Options) {
			o.ImmediateData, o.FirstBurst = false, 128<<10
		},
		"immediate and R2T": func(o *initiator.Options) { o.InitialR2T = true },
		"small bursts":      func(o *initiator.Options) { o.MaxBurst, o.FirstBurst, o.MaxData = 1536, 1024, 512 },
		"digests":           func(o *initiator.Options) { o.HeaderDigest, o.DataDigest = true, true },
	} {
		t.Run(name, func(t *testing.T) {
			d, m := start(t, change)
			for i, n := range []int{512, 4096, 4608, 64 << 10, 65<<10 + 512, 300 << 10, 3 << 20} {
				off, generation := int64(i+1)*512, uint64(i)
				p := make([]byte, n)
				initiator.Stamp(p, off, generation)
				if err := d.WriteAt(limit(t), p, off); err != nil {
					t.Fatal(err)
				}
				if err := initiator.CheckStamp(m.bytes(off, n), off, generation); err != nil {
					t.Fatalf("%d bytes written: %v", n, err)
				}
				clear(p)
				if err := d.ReadAt(limit(t), p, off); err != nil {
					t.Fatal(err)
				}
				if err := initiator.CheckStamp(p, off, generation); err != nil {
					t.Fatalf("%d bytes read: %v", n, err)
				}
			}
		})
	}
}

func TestDisk(t *testing.T) {
	d, m := start(t, nil)
	if d.Size() != 16<<20 || d.BlockSize() != 512 {
		t.Errorf("%d bytes in blocks of %d", d.Size(), d.BlockSize())
	}
	p := make([]byte, 4096)
	initiator.Stamp(p, 4096, 1)
	err := errors.Join(d.WriteAt(limit(t), p, 4096), d.Unmap(limit(t), 4096, 4096), d.Flush(limit(t)))
	if err != nil || m.bytes(4096, 1)[0] != 0 {
		t.Errorf("unmapped: %v", err)
	}
	err = d.ReadAt(limit(t), make([]byte, 512), d.Size())
	var status *initiator.StatusError
	if !errors.As(err, &status) || status.Key != 5 || status.ASC != 0x21 ||
		err.Error() != "move 512 bytes at 16777216: command failed with sense 5/21/00" {
		t.Errorf("beyond the end: %v", err)
	}
	if err := d.ReadAt(limit(t), make([]byte, 100), 0); err == nil || err.Error() != "100 bytes at 0 are no whole blocks of 512" {
		t.Errorf("part of a block: %v", err)
	}
	if _, err := d.Session().Disk(limit(t), 9); err == nil || !strings.Contains(err.Error(), "open LUN 9: command failed with sense 5/25/00") {
		t.Errorf("no such unit: %v", err)
	}
}

func TestResidual(t *testing.T) {
	d, _ := start(t, nil)
	p := make([]byte, 252)
	r, err := d.Session().Do(limit(t), 0, []byte{0x12, 4: 252, 5: 0}, nil, p)
	if err != nil || r.Err() != nil || r.Moved == 0 || r.Moved-r.Residual != 252 || !strings.Contains(string(p), "BOOTES") {
		t.Errorf("INQUIRY: %+v, %v", r, err)
	}
	r, err = d.Session().Do(limit(t), 0, []byte{0x28, 8: 2, 9: 0}, nil, make([]byte, 512))
	if err != nil || r.Err() != nil || r.Moved != 512 || r.Residual != 512 {
		t.Errorf("READ of two blocks for one: %d moved, %d residual, %v", r.Moved, r.Residual, err)
	}
}

// A queue far deeper than the target's window, from many goroutines, reads and
// writes at once: neither end may wait for the other for ever.
func TestDeepQueue(t *testing.T) {
	d, _ := start(t, func(o *initiator.Options) { o.Depth = 200 })
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() {
			const n = 48 << 10
			off := int64(i) * n
			p := make([]byte, n)
			for generation := range uint64(4) {
				initiator.Stamp(p, off, generation)
				err := d.WriteAt(limit(t), p, off)
				if err == nil {
					clear(p)
					err = d.ReadAt(limit(t), p, off)
				}
				if err == nil {
					err = initiator.CheckStamp(p, off, generation)
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// chain keeps a queue full from Done alone.
type chain struct {
	s     *initiator.Session
	left  int
	out   int
	done  chan struct{}
	fault error
}

func (c *chain) next(cmd *initiator.Command) {
	if c.fault == nil {
		c.fault = errors.Join(cmd.Err, cmd.Result.Err())
	}
	if c.left > 0 && c.fault == nil {
		c.left--
		if c.fault = c.s.Start(cmd); c.fault == nil {
			return
		}
	}
	if c.out--; c.out == 0 {
		c.done <- struct{}{}
	}
}

// run does n commands, depth at once.
func (c *chain) run(t testing.TB, all []initiator.Command, n int) {
	c.left, c.out = n-len(all), len(all)
	for i := range all {
		all[i].Done = c.next
		if err := c.s.Start(&all[i]); err != nil {
			t.Fatal(err)
		}
	}
	c.s.Send()
	<-c.done
	if c.fault != nil {
		t.Fatal(c.fault)
	}
}

func commands(t testing.TB, d *initiator.Disk, depth, size int, write bool) []initiator.Command {
	all := make([]initiator.Command, depth)
	for i := range all {
		c, p, aim := &all[i], make([]byte, size), d.Read
		if write {
			c.Out, aim = p, d.Write
		} else {
			c.In = p
		}
		if err := aim(c, int64(i*size), size); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// An I/O costs no allocation, neither here nor at the target.
func TestNoAllocation(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	d, _ := start(t, nil)
	for name, write := range map[string]bool{"read": false, "write": true} {
		for _, size := range []int{4096, 64 << 10} {
			all := commands(t, d, 16, size, write)
			c := &chain{s: d.Session(), done: make(chan struct{}, 1)}
			c.run(t, all, 1000)
			n := testing.AllocsPerRun(5, func() { c.run(t, all, 2000) })
			if n > 200 { // of 2,000; what sync.Pool loses to the collector is forgiven
				t.Errorf("%s of %d: %v allocations in 2000", name, size, n)
			}
		}
	}
	p := make([]byte, 4096)
	cdb := [16]byte{0x28, 8: 8}
	if n := testing.AllocsPerRun(2000, func() {
		if _, err := d.Session().Do(context.Background(), 0, cdb[:10], nil, p); err != nil {
			t.Fatal(err)
		}
	}); n >= 1 {
		t.Errorf("Do: %v allocations", n)
	}
}

func BenchmarkSession(b *testing.B) {
	d, _ := start(b, nil)
	for _, write := range []bool{false, true} {
		for _, depth := range []int{1, 32} {
			b.Run(fmt.Sprintf("write=%v/depth=%d", write, depth), func(b *testing.B) {
				b.ReportAllocs()
				c := &chain{s: d.Session(), done: make(chan struct{}, 1)}
				c.run(b, commands(b, d, depth, 4096, write), max(b.N, depth))
			})
		}
	}
}

// The target's pings are answered, or it would end the session.
func TestPings(t *testing.T) {
	m := newMemory(1 << 20)
	s := dial(t, serve(t, m, iscsi.Options{PingInterval: 5 * time.Millisecond}), options(nil))
	time.Sleep(100 * time.Millisecond)
	if err := s.Ping(limit(t), []byte("are you there")); err != nil {
		t.Error(err)
	}
}

func TestManage(t *testing.T) {
	d, _ := start(t, nil)
	for lun, want := range map[uint8]byte{0: pdu.TaskComplete, 9: pdu.TaskNoSuchLUN} {
		if got, err := d.Session().Manage(limit(t), pdu.TaskLUNReset, lun, pdu.NoTag); err != nil || got != want {
			t.Errorf("reset of LUN %d: %d, %v", lun, got, err)
		}
	}
}

// A command whose caller gives up is aborted, and the session lives on.
func TestDoCancelled(t *testing.T) {
	m := newMemory(1 << 20)
	m.gate = make(chan struct{})
	d := startOn(t, m, func(o *initiator.Options) { o.Depth = 2 })
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Millisecond)
	defer cancel()
	context.AfterFunc(ctx, func() { // an abort waits for the disk
		time.Sleep(70 * time.Millisecond)
		close(m.gate)
	})
	p := make([]byte, 512)
	if err := d.WriteAt(ctx, p, 0); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	for range 4 { // no place is lost
		if err := d.ReadAt(limit(t), p, 0); err != nil {
			t.Fatal(err)
		}
	}
}

// What is outstanding when the session ends fails, once.
func TestClose(t *testing.T) {
	m := newMemory(1 << 20)
	m.gate = make(chan struct{})
	d := startOn(t, m, func(o *initiator.Options) { o.Depth = 8 })
	defer close(m.gate)
	var wg sync.WaitGroup
	for i := range 12 {
		wg.Go(func() {
			if err := d.WriteAt(context.Background(), make([]byte, 16<<10), int64(i)<<14); !errors.Is(err, initiator.ErrClosed) {
				t.Errorf("outstanding: %v", err)
			}
		})
	}
	time.Sleep(20 * time.Millisecond)
	_ = d.Session().Close()
	wg.Wait()
	if err := d.Session().Err(); !errors.Is(err, initiator.ErrClosed) {
		t.Error(err)
	}
	if err := d.Session().Ping(limit(t), nil); !errors.Is(err, initiator.ErrClosed) {
		t.Error(err)
	}
	<-d.Session().Done()
}
