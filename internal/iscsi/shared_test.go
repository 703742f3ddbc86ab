package iscsi

import (
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
