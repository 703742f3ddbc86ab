package iscsi

import (
	"testing"

	"bootes.dev/internal/iscsi/pdu"
	"bootes.dev/internal/scsi"
)

func (i *initiator) testUnitReady(lun uint8) {
	i.command(pdu.SCSICommand{Final: true, LUN: pdu.LUNField(lun)}, nil, 0)
}

func (i *initiator) expectGood() {
	i.t.Helper()
	var r pdu.SCSIResponse
	if i.expect(&r); r.Status != 0 {
		i.t.Errorf("response %+v", r)
	}
}

// ask sends a command that reads at most 255 bytes, and returns them.
func (i *initiator) ask(cdb ...byte) []byte {
	i.t.Helper()
	i.command(pdu.SCSICommand{Final: true, Read: true, Expected: 255}, nil, cdb...)
	var d pdu.DataIn
	return i.expect(&d)
}

// News reaches each session of its owner once, per logical unit, and iPXE never.
func TestNotify(t *testing.T) {
	s, addr := serve(t, Options{Authority: newAuthority(newMemory(1 << 20))})
	ipxe := dial(t, addr).ipxe().login()
	one, two := dial(t, addr).login(), dial(t, addr).as(testUser, testSecret, 2).login()
	if n := s.Notify(testUser, 0, scsi.CapacityChanged); n != 2 {
		t.Errorf("%d sessions told, want 2", n)
	}
	s.Notify(testUser, 0, scsi.CapacityChanged) // still untold: no second one
	s.Notify(testUser, 0, scsi.SoftThreshold)
	if n := s.Notify("pc1-next", 0, scsi.SoftThreshold) + s.Notify(testUser, 7, scsi.SoftThreshold); n != 0 {
		t.Errorf("%d sessions told of what is not theirs", n)
	}
	ipxe.testUnitReady(0)
	ipxe.expectGood()
	for _, i := range []*initiator{one, two} {
		i.ask(0x12, 0, 0, 0, 36) // INQUIRY tells nothing and forgets nothing
		i.testUnitReady(1)       // of another unit
		i.expectGood()
		i.command(pdu.SCSICommand{Final: true}, nil, 0xff) // even with what would be refused
		i.expectSense(6, 0x2a, 9)
		i.command(pdu.SCSICommand{Final: true, Write: true, Expected: 512}, make([]byte, 512), writeCDB(0, 1)...)
		i.expectSense(6, 0x38, 7)
		i.testUnitReady(0)
		i.expectGood()
	}
}

// REQUEST SENSE reports the news as data, and that is the telling.
func TestNotifyByRequestSense(t *testing.T) {
	s, addr := serve(t, Options{Authority: newAuthority(newMemory(1 << 20))})
	i := dial(t, addr).login()
	s.Notify(testUser, 0, scsi.SoftThreshold)
	for _, want := range [][3]byte{{6, 0x38, 7}, {}} {
		if b := i.ask(0x03, 0, 0, 0, 18); len(b) != 18 || [3]byte{b[2], b[12], b[13]} != want {
			t.Errorf("sense % x, want % x", b, want)
		}
	}
	i.testUnitReady(0)
	i.expectGood()
}

// Changed LUNs are told once per session, by any unit, or not at all when the
// list was asked for meanwhile.
func TestNotifyOfLUNs(t *testing.T) {
	s, addr := serve(t, Options{Authority: newAuthority(newMemory(1 << 20))})
	one, two := dial(t, addr).login(), dial(t, addr).as(testUser, testSecret, 2).login()
	for lun := range uint8(2) {
		s.Notify(testUser, lun, scsi.LUNsChanged)
	}
	one.testUnitReady(1)
	one.expectSense(6, 0x3f, 0x0e)
	if b := two.ask(0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 64); len(b) != 24 {
		t.Errorf("REPORT LUNS: % x", b)
	}
	for _, i := range []*initiator{one, two} {
		for lun := range uint8(2) {
			i.testUnitReady(lun)
			i.expectGood()
		}
	}
}

// A disk that has grown has its new size at once, also to a session that was
// there before.
func TestDiskGrows(t *testing.T) {
	i, disk := start(t, nil)
	i.command(pdu.SCSICommand{Final: true, Read: true, Expected: 512}, nil, 0x28, 0, 0, 0, 0x20, 0, 0, 0, 1)
	i.expectSense(5, 0x21, 0)
	disk.grow(8 << 20)
	if b := i.ask(0x25); len(b) != 8 || [4]byte(b) != [4]byte{0, 0, 0x3f, 0xff} {
		t.Errorf("READ CAPACITY: % x", b)
	}
	i.command(pdu.SCSICommand{Final: true, Read: true, Expected: 512}, nil, 0x28, 0, 0, 0, 0x20, 0, 0, 0, 1)
	var d pdu.DataIn
	if data := i.expect(&d); len(data) != 512 || d.Status != 0 {
		t.Errorf("Data-In %+v", d)
	}
}
