package iscsi

import (
	"context"
	"testing"
	"time"

	"bootes.dev/internal/iscsi/pdu"
	"bootes.dev/internal/scsi"
)

// What clears or resets a unit ends the commands on it by other targets, too,
// before it is answered, and those who had them are told.
func TestClearAcrossTargets(t *testing.T) {
	for function, told := range map[byte][2]byte{pdu.TaskClearTaskSet: {0x2f, 0}, pdu.TaskLUNReset: {0x29, 3}, pdu.TaskTargetWarmReset: {0x29, 3}} {
		disk := newMemory(1 << 20)
		disk.gate = make(chan struct{})
		unit := scsi.NewDisk(disk, scsi.Identity{Vendor: "BOOTES", Product: "DISK"})
		a := prover{authority: newAuthority(nil), secret: "another secret 22"}
		_, addr := serve(t, Options{Authority: unitsAuthority{a, map[string]Units{
			testTarget: {0: {Disk: unit}}, otherTarget: {0: {Disk: unit}},
		}}})
		near, far := dial(t, addr), dial(t, addr)
		far.target = otherTarget
		near.login()
		far.login()
		far.command(pdu.SCSICommand{Final: true, Write: true, Expected: 512}, make([]byte, 512), writeCDB(0, 1)...)
		eventually(t, "the write is under way", func() bool { return disk.busy.Load() == 1 })
		near.manage(pdu.TaskRequest{Function: function})
		go func() {
			time.Sleep(20 * time.Millisecond)
			disk.gate <- struct{}{}
		}()
		var r pdu.TaskResponse
		if near.expect(&r); r.Response != pdu.TaskComplete || disk.busy.Load() != 0 {
			t.Errorf("function %d: response %+v, %d writes under way", function, r, disk.busy.Load())
		}
		far.testUnitReady(0)
		far.expectSense(6, told[0], told[1])
	}
}

// A disk has one task set, by whatever targets its commands come.
func TestOrderAcrossTargets(t *testing.T) {
	disk := &gatedDisk{memory: newMemory(1 << 20)}
	disk.gate = make(chan struct{})
	unit := scsi.NewDisk(disk, scsi.Identity{Vendor: "BOOTES", Product: "DISK"})
	a := prover{authority: newAuthority(nil), secret: "another secret 22"}
	s, addr := serve(t, Options{Authority: unitsAuthority{a, map[string]Units{
		testTarget: {0: {Disk: unit}}, otherTarget: {0: {Disk: unit.ReadOnly()}, 1: {Disk: unit}},
	}}})
	near, far := &queue{dial(t, addr), s, disk}, &queue{dial(t, addr), s, disk}
	far.target = otherTarget
	near.login()
	far.login()
	near.write(pdu.AttrSimple, 1, true)
	near.begun(t, 1)
	far.attributed(pdu.AttrOrdered, pdu.SCSICommand{LUN: pdu.LUNField(1), Final: true, Write: true, Expected: 512}, make([]byte, 512), writeCDB(2, 1)...)
	eventually(t, "ORDERED is there", func() bool { return barriersOf(s, unit) == 1 })
	near.write(pdu.AttrSimple, 3, true)
	near.begun(t, 1)
	near.let(1)
	far.begun(t, 1, 2)
	far.let(1)
	near.begun(t, 1, 2, 3)
	near.let(1)
}

// A unit that is taken away does not wait for another target's commands.
func TestDetachAcrossTargets(t *testing.T) {
	disk := newMemory(1 << 20)
	disk.gate = make(chan struct{})
	unit := scsi.NewDisk(disk, scsi.Identity{Vendor: "BOOTES", Product: "DISK"})
	a := prover{authority: newAuthority(nil), secret: "another secret 22"}
	s, addr := serve(t, Options{Authority: unitsAuthority{a, map[string]Units{
		testTarget: {0: {Disk: unit}}, otherTarget: {0: {Disk: unit}},
	}}})
	near, far := dial(t, addr), dial(t, addr)
	far.target = otherTarget
	near.login()
	far.login()
	near.command(pdu.SCSICommand{Final: true, Write: true, Expected: 512}, make([]byte, 512), writeCDB(0, 1)...)
	eventually(t, "the write is under way", func() bool { return disk.busy.Load() == 1 })
	far.attributed(pdu.AttrOrdered, pdu.SCSICommand{Final: true, Write: true, Expected: 512}, make([]byte, 512), writeCDB(1, 1)...)
	eventually(t, "ORDERED is there", func() bool { return barriersOf(s, unit) == 1 })
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if err := s.DetachUnit(ctx, otherTarget, otherTarget, 0); err != nil {
		t.Fatal(err)
	}
	far.expectSense(5, 0x25, 0)
	disk.gate <- struct{}{}
	near.expectGood()
}

func barriersOf(s *Server, d *scsi.Disk) int32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.disks[d.Key()].order.barriers.Load()
}
