package iscsi

import (
	"encoding/binary"
	"testing"
	"time"

	"bootes.dev/internal/iscsi/pdu"
)

// persistentOut sends a PERSISTENT RESERVE OUT.
func (i *initiator) persistentOut(action, kind byte, key, actionKey uint64) {
	i.t.Helper()
	p := binary.BigEndian.AppendUint64(nil, key)
	p = binary.BigEndian.AppendUint64(p, actionKey)
	i.command(pdu.SCSICommand{Final: true, Write: true, Expected: 24}, append(p, make([]byte, 8)...), 0x5f, action, kind, 0, 0, 0, 0, 0, 24)
}

// A cluster throws a member out: when PREEMPT AND ABORT is answered no write of
// the other's is under way, and none comes after.
func TestPreemptAndAbort(t *testing.T) {
	disk := newMemory(1 << 20)
	disk.gate = make(chan struct{})
	_, addr := serve(t, Options{Authority: newAuthority(disk)})
	one, two := dial(t, addr).login(), dial(t, addr).as(testUser, testSecret, 2).login()
	one.persistentOut(0, 0, 0, 1)
	one.expectGood()
	two.persistentOut(0, 0, 0, 2)
	two.expectGood()
	one.persistentOut(1, 5, 1, 0) // write exclusive, registrants only
	one.expectGood()

	data := make([]byte, 512)
	for i := range data {
		data[i] = 9
	}
	two.command(pdu.SCSICommand{Final: true, Write: true, Expected: 512}, data, writeCDB(0, 1)...)
	eventually(t, "a write is under way", func() bool { return disk.busy.Load() == 1 })
	waits := two.command(pdu.SCSICommand{Final: true, Write: true, Expected: 512}, nil, writeCDB(1, 1)...)
	var r2t pdu.R2T
	two.expect(&r2t) // and never answered
	one.persistentOut(5, 5, 1, 2)
	go func() {
		time.Sleep(20 * time.Millisecond)
		disk.gate <- struct{}{}
	}()
	one.expectGood()
	if disk.busy.Load() != 0 {
		t.Error("a write is still under way")
	}
	close(disk.gate)
	two.burst(waits, r2t.TTT, data, 0, 512, 512)
	two.testUnitReady(0)
	two.expectSense(6, 0x2a, 5)
	two.command(pdu.SCSICommand{Final: true, Write: true, Expected: 512}, data, writeCDB(1, 1)...)
	var r pdu.SCSIResponse
	if two.expect(&r); r.Status != 0x18 {
		t.Errorf("write of the preempted: %+v", r)
	}
	if got := two.read10(1, 1); got[0] != 0 {
		t.Error("an ended write was done")
	}
	if r := one.write10(2, data); r.Status != 0 {
		t.Errorf("write of the holder: %+v", r)
	}
}

// Who waits for the commands of the preempted keeps neither a worker nor its own
// session from ending.
func TestPreemptAndAbortEnds(t *testing.T) {
	disk := newMemory(1 << 20)
	disk.gate = make(chan struct{})
	s, addr := serve(t, Options{Authority: newAuthority(disk)})
	one, two := dial(t, addr).login(), dial(t, addr).as(testUser, testSecret, 2).login()
	one.persistentOut(0, 0, 0, 1)
	one.expectGood()
	two.persistentOut(0, 0, 0, 2)
	two.expectGood()
	two.command(pdu.SCSICommand{Final: true, Write: true, Expected: 512}, make([]byte, 512), writeCDB(0, 1)...)
	eventually(t, "a write is under way", func() bool { return disk.busy.Load() == 1 })
	one.persistentOut(5, 0, 1, 2)
	eventually(t, "the other is preempted", func() bool {
		two.testUnitReady(0)
		var r pdu.SCSIResponse
		two.expect(&r)
		return r.Status == 2
	})
	one.conn.Close()
	eventually(t, "its session has ended", func() bool { return len(s.Sessions()) == 1 })
	disk.gate <- struct{}{}
	eventually(t, "the write has ended", func() bool { return disk.busy.Load() == 0 })
}

// RESERVE (6) has gone when a logout is answered.
func TestReserveEndsWithLogout(t *testing.T) {
	_, addr := serve(t, Options{Authority: newAuthority(newMemory(1 << 20))})
	two := dial(t, addr).as(testUser, testSecret, 2).login()
	for range 50 {
		one := dial(t, addr).login()
		one.command(pdu.SCSICommand{Final: true}, nil, 0x16)
		one.expectGood()
		one.send(&pdu.LogoutRequest{Immediate: true, Reason: pdu.LogoutSession, ITT: 7, CmdSN: one.cmdSN}, nil)
		var l pdu.LogoutResponse
		one.expect(&l)
		two.testUnitReady(0)
		two.expectGood()
		one.conn.Close()
	}
}

// RESERVE (6) goes with its session.
func TestReserveEndsWithSession(t *testing.T) {
	_, addr := serve(t, Options{Authority: newAuthority(newMemory(1 << 20))})
	one, two := dial(t, addr).login(), dial(t, addr).as(testUser, testSecret, 2).login()
	one.command(pdu.SCSICommand{Final: true}, nil, 0x16)
	one.expectGood()
	two.testUnitReady(0)
	var r pdu.SCSIResponse
	if two.expect(&r); r.Status != 0x18 {
		t.Errorf("response %+v", r)
	}
	one.conn.Close()
	eventually(t, "the disk is free", func() bool {
		two.testUnitReady(0)
		two.expect(&r)
		return r.Status == 0
	})
}
