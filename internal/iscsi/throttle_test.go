package iscsi

import (
	"errors"
	"testing"
	"time"

	"bootes.dev/internal/iscsi/pdu"
	"bootes.dev/internal/scsi"
)

// reads sends n READs of one block of 4 KiB and returns how long they took.
func (i *initiator) reads(n int) time.Duration {
	i.t.Helper()
	start := time.Now()
	for range n {
		i.command(pdu.SCSICommand{Final: true, Read: true, Expected: 4096}, nil, 0x28, 0, 0, 0, 0, 0, 0, 0, 8)
	}
	for range n {
		var d pdu.DataIn
		if i.expect(&d); !d.HasStatus || d.Status != 0 {
			i.t.Fatalf("Data-In %+v", d)
		}
	}
	return time.Since(start)
}

// limited tells how long n I/Os at a rate take, less the burst.
func limited(n, rate int) time.Duration {
	return time.Duration(n-1)*time.Second/time.Duration(rate) - time.Duration(throttleBurst)
}

func TestLimits(t *testing.T) {
	s, addr := serve(t, Options{Authority: newAuthority(newMemory(1 << 20))})
	i := dial(t, addr).login()
	for _, c := range []struct {
		limits Limits
		want   time.Duration
	}{
		{Limits{IOPS: 100}, limited(20, 100)},
		{Limits{BytesPerSecond: 400 << 10}, limited(20, 100)},
		{Limits{IOPS: 1000, BytesPerSecond: 400 << 10}, limited(20, 100)},
	} {
		if err := s.SetLimits(testTarget, 0, c.limits); err != nil {
			t.Fatal(err)
		}
		if took := i.reads(20); took < c.want || took > 10*c.want {
			t.Errorf("%+v: 20 reads took %v, want %v", c.limits, took, c.want)
		}
		start := time.Now()
		for range 20 {
			i.command(pdu.SCSICommand{Final: true, Write: true, Expected: 4096}, make([]byte, 4096), writeCDB(0, 8)...)
		}
		for range 20 {
			i.expectGood()
		}
		if took := time.Since(start); took < c.want {
			t.Errorf("%+v: 20 writes took %v, want %v", c.limits, took, c.want)
		}
	}
	for _, u := range s.Latencies() {
		if u.LUN == 0 && u.Limits != (Limits{IOPS: 1000, BytesPerSecond: 400 << 10}) {
			t.Errorf("limits %+v", u.Limits)
		}
	}
	err := s.SetLimits("iqn.x", 3, Limits{})
	if want := `limit logical unit 3 of target "iqn.x": there is no such logical unit`; !errors.Is(err, ErrNoUnit) || err.Error() != want {
		t.Errorf("error %v", err)
	}
}

// What waits goes on at once when the limit is taken away.
func TestLimitsLifted(t *testing.T) {
	s, addr := serve(t, Options{Authority: newAuthority(newMemory(1 << 20))})
	i := dial(t, addr).login()
	if err := s.SetLimits(testTarget, 0, Limits{IOPS: 1}); err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(50*time.Millisecond, func() { _ = s.SetLimits(testTarget, 0, Limits{}) })
	if took := i.reads(50); took > 5*time.Second {
		t.Errorf("took %v", took)
	}
}

// A session with one command waits for one turn, however many another has.
func TestLimitsAreShared(t *testing.T) {
	s, addr := serve(t, Options{Authority: newAuthority(newMemory(1 << 20))})
	greedy, modest := dial(t, addr).login(), dial(t, addr).as(testUser, testSecret, 2).login()
	if err := s.SetLimits(testTarget, 0, Limits{IOPS: 50}); err != nil {
		t.Fatal(err)
	}
	for range 100 {
		greedy.command(pdu.SCSICommand{Final: true, Read: true, Expected: 4096}, nil, 0x28, 0, 0, 0, 0, 0, 0, 0, 8)
	}
	var d pdu.DataIn
	greedy.expect(&d)
	if took := modest.reads(5); took > time.Second {
		t.Errorf("5 reads beside 100 took %v at 50 a second", took)
	}
}

// Sessions that end while their commands wait for limits, and for each other,
// leave nothing behind.
func TestLimitedSessionsEnd(t *testing.T) {
	a := newAuthority(newMemory(1 << 20))
	s, addr := serve(t, Options{Authority: a})
	for n := range 40 {
		i := dial(t, addr).login()
		if err := s.SetLimits(testTarget, 0, Limits{IOPS: 2000}); err != nil {
			t.Fatal(err)
		}
		for k := range 20 {
			attr := []byte{pdu.AttrSimple, pdu.AttrOrdered, pdu.AttrHeadOfQueue}[(n+k)%3]
			i.attributed(attr, pdu.SCSICommand{Final: true, Write: true, Expected: 4096}, make([]byte, 4096), writeCDB(0, 8)...)
		}
		for range n % 10 {
			i.expectGood()
		}
		i.conn.Close()
		eventually(t, "the session is gone", func() bool { return len(s.Sessions()) == 0 })
	}
	eventually(t, "the disk is closed", func() bool { _, closed, _ := a.lists(); return len(closed) == 40 })
	eventually(t, "all write memory is free again", func() bool {
		s.budget.mu.Lock()
		defer s.budget.mu.Unlock()
		return s.budget.free == s.budget.all
	})
}

// Commands that wait for a limit can be ended, one by one and with their
// session.
func TestAbortLimited(t *testing.T) {
	s, addr := serve(t, Options{Authority: newAuthority(newMemory(1 << 20))})
	i := dial(t, addr).login()
	if err := s.SetLimits(testTarget, 0, Limits{IOPS: 1}); err != nil {
		t.Fatal(err)
	}
	var itt uint32
	for range 10 {
		itt = i.command(pdu.SCSICommand{Final: true, Write: true, Expected: 4096}, make([]byte, 4096), writeCDB(0, 8)...)
	}
	i.expectGood()
	i.abortTask(itt)
	i.conn.Close()
	eventually(t, "the session is gone", func() bool { return len(s.Sessions()) == 0 })
	if s.budget.free != s.budget.all {
		t.Errorf("%d bytes of write memory are lost", s.budget.all-s.budget.free)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.disks) != 0 {
		t.Errorf("%d disks are left", len(s.disks))
	}
}

// A disk has one limit, also for those who may only read it.
func TestLimitsOfReadOnlyUnits(t *testing.T) {
	s := New(Options{})
	disk := scsi.NewDisk(newMemory(1<<20), scsi.Identity{})
	one, view := s.newUnit(0, Unit{Disk: disk}), s.newUnit(1, Unit{Disk: disk.ReadOnly()})
	other := s.newUnit(2, Unit{Disk: scsi.NewDisk(newMemory(1<<20), scsi.Identity{})})
	if one.throttle != view.throttle || one.throttle == other.throttle {
		t.Error("a read-only unit has limits of its own, or another's")
	}
	for _, u := range []*unit{one, view, other} {
		u.leave()
		<-u.gone
	}
	if len(s.disks) != 0 {
		t.Errorf("%d disks are left", len(s.disks))
	}
}
