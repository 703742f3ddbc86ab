package iscsi

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"bootes.dev/internal/iscsi/pdu"
	"bootes.dev/internal/scsi"
)

// dataDisk is a unit over dev that counts how often it is closed.
func dataDisk(dev *memory) (Unit, *atomic.Int32) {
	closed := new(atomic.Int32)
	return Unit{
		Disk:  scsi.NewDisk(dev, scsi.Identity{Vendor: "BOOTES", Product: "DATA", Serial: "2"}),
		Close: func() { closed.Add(1) },
	}, closed
}

// on sends a command to the logical unit lun.
func (i *initiator) on(lun uint64, c pdu.SCSICommand, data []byte, cdb ...byte) uint32 {
	i.t.Helper()
	c.LUN = lun << 48
	return i.command(c, data, cdb...)
}

// A disk that is attached to a running machine is announced and can be
// written, and after it is detached nothing of it is under way.
func TestAttachDetach(t *testing.T) {
	disk := newMemory(1 << 20)
	s, addr := serve(t, Options{Authority: newAuthority(newMemory(1 << 20))})
	i := dial(t, addr).login()
	ctx := t.Context()
	data := make([]byte, 512)

	i.on(3, pdu.SCSICommand{Final: true}, nil, 0x00)
	i.expectSense(5, 0x25, 0)
	u, closed := dataDisk(disk)
	if err := s.AttachUnit(ctx, testTarget, testUser, 3, u); err != nil {
		t.Fatal(err)
	}
	i.on(0, pdu.SCSICommand{Final: true}, nil, 0x00)
	i.expectSense(6, 0x3f, 0x0e)
	i.on(3, pdu.SCSICommand{Final: true, Write: true, Expected: 512}, data, writeCDB(0, 1)...)
	i.expectGood()

	if err := s.AttachUnit(ctx, testTarget, testUser, 3, u); !errors.Is(err, ErrLUNInUse) {
		t.Errorf("attach twice: %v", err)
	}
	if err := s.DetachUnit(ctx, testTarget, testUser, 3); err != nil {
		t.Fatal(err)
	}
	if closed.Load() != 1 {
		t.Errorf("closed %d times", closed.Load())
	}
	i.on(0, pdu.SCSICommand{Final: true}, nil, 0x00)
	i.expectSense(6, 0x3f, 0x0e)
	i.on(3, pdu.SCSICommand{Final: true, Write: true, Expected: 512}, data, writeCDB(0, 1)...)
	i.expectSense(5, 0x25, 0)
}

// Who attaches to what is not held is told so.
func TestAttachErrors(t *testing.T) {
	s, addr := serve(t, Options{Authority: newAuthority(newMemory(1 << 20))})
	u, closed := dataDisk(newMemory(1 << 20))
	dial(t, addr).login()
	for want, err := range map[string]error{
		`attach logical unit 3: target "iqn.x", owner "pc1": target is not held by that owner`:                      s.AttachUnit(t.Context(), "iqn.x", testUser, 3, u),
		`attach logical unit 3: target "iqn.2026-01.dev.bootes:pc1", owner "pc2": target is not held by that owner`: s.AttachUnit(t.Context(), testTarget, "pc2", 3, u),
		`attach logical unit 1 to target "iqn.2026-01.dev.bootes:pc1": logical unit number is in use`:               s.AttachUnit(t.Context(), testTarget, testUser, 1, u),
		`detach logical unit 4 of target "iqn.2026-01.dev.bootes:pc1": there is no such logical unit`:               s.DetachUnit(t.Context(), testTarget, testUser, 4),
		`detach logical unit 4: target "iqn.2026-01.dev.bootes:pc1", owner "pc2": target is not held by that owner`: s.DetachUnit(t.Context(), testTarget, "pc2", 4),
	} {
		if err == nil || err.Error() != want {
			t.Errorf("error %v\nwant  %s", err, want)
		}
	}
	if closed.Load() != 0 {
		t.Error("closed though it is still the caller's")
	}
}

// Detaching waits for the write that is under way, does not begin the others,
// and does not wait longer than it may.
func TestDetachUnderLoad(t *testing.T) {
	disk := newMemory(1 << 20)
	disk.gate = make(chan struct{})
	s, addr := serve(t, Options{Authority: newAuthority(newMemory(1 << 20))})
	i := dial(t, addr).login()
	u, closed := dataDisk(disk)
	if err := s.AttachUnit(t.Context(), testTarget, testUser, 3, u); err != nil {
		t.Fatal(err)
	}
	i.on(0, pdu.SCSICommand{Final: true}, nil, 0x00)
	i.expectSense(6, 0x3f, 0x0e)
	i.on(3, pdu.SCSICommand{Final: true, Write: true, Expected: 512}, make([]byte, 512), writeCDB(0, 1)...)
	eventually(t, "a write is under way", func() bool { return disk.busy.Load() == 1 })
	waits := i.on(3, pdu.SCSICommand{Final: true, Write: true, Expected: 512}, nil, writeCDB(1, 1)...)
	var r2t pdu.R2T
	i.expect(&r2t)

	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	err := s.DetachUnit(ctx, testTarget, testUser, 3)
	want := `detach logical unit 3 of target "iqn.2026-01.dev.bootes:pc1": wait for its commands: context deadline exceeded`
	if err == nil || err.Error() != want {
		t.Errorf("error %v\nwant  %s", err, want)
	}
	i.burst(waits, r2t.TTT, make([]byte, 512), 0, 512, 512)
	i.expectSense(5, 0x25, 0)
	if closed.Load() != 0 {
		t.Error("closed under a write")
	}
	close(disk.gate)
	i.expectSense(5, 0x25, 0)
	eventually(t, "closed", func() bool { return closed.Load() == 1 })
	if got := disk.bytes(512, 1024); got[0] != 0 {
		t.Error("a write that had not begun was done")
	}
}

// The units that were attached close with the others.
func TestAttachedUnitClosesWithLastSession(t *testing.T) {
	a := newAuthority(newMemory(1 << 20))
	s, addr := serve(t, Options{Authority: a})
	i := dial(t, addr).login()
	u, closed := dataDisk(newMemory(1 << 20))
	if err := s.AttachUnit(t.Context(), testTarget, testUser, 3, u); err != nil {
		t.Fatal(err)
	}
	i.conn.Close()
	eventually(t, "closed", func() bool {
		_, all, _ := a.lists()
		return closed.Load() == 1 && len(all) == 1
	})
}

// What waits for the limits of a unit does not hold up its end.
func TestDetachLimited(t *testing.T) {
	s, addr := serve(t, Options{Authority: newAuthority(newMemory(1 << 20))})
	i := dial(t, addr).login()
	u, closed := dataDisk(newMemory(1 << 20))
	u.Limits = Limits{IOPS: 1}
	if err := s.AttachUnit(t.Context(), testTarget, testUser, 3, u); err != nil {
		t.Fatal(err)
	}
	i.on(0, pdu.SCSICommand{Final: true}, nil, 0x00)
	i.expectSense(6, 0x3f, 0x0e)
	for range 10 {
		i.on(3, pdu.SCSICommand{Final: true, Write: true, Expected: 512}, make([]byte, 512), writeCDB(0, 1)...)
	}
	i.expectGood()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	if err := s.DetachUnit(ctx, testTarget, testUser, 3); err != nil || closed.Load() != 1 {
		t.Errorf("error %v, closed %d times", err, closed.Load())
	}
	for range 9 {
		i.expectSense(5, 0x25, 0)
	}
}

// A session that ends ends its tasks itself, once.
func TestDetachLeavesEndedSessions(t *testing.T) {
	s, addr := serve(t, Options{Authority: newAuthority(newMemory(1 << 20))})
	dial(t, addr).login()
	sess := s.sessionsOn(testTarget)[0]
	u := s.newUnit(3, Unit{Disk: scsi.Absent})
	one := &task{s: sess, unit: u, total: 512}
	one.write.waits = true
	sess.mu.Lock()
	sess.ended, sess.tasks[1], sess.waiting = true, one, []*task{one}
	sess.mu.Unlock()
	sess.failUnit(u)
	if one.ending {
		t.Error("detaching ended the task of a session that does so itself")
	}
	sess.mu.Lock()
	sess.ended = false
	delete(sess.tasks, 1)
	sess.waiting = nil
	sess.mu.Unlock()
}
