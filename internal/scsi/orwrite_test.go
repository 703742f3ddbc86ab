package scsi

import (
	"bytes"
	"testing"
)

func TestOrWrite(t *testing.T) {
	d, r := newRAM()
	var c Command
	if s := decode(d, cdb(t, "8b 08 0000000000000001 00000100 00 00"), &c); !s.OK() || c.Kind != Write || c.Length != 256*512 || !c.NeedsFinish() {
		t.Fatalf("%v %+v", s, c)
	}
	if s := d.WriteAt(&c, bytes.Repeat([]byte{0x11}, 256*512), 0); !s.OK() {
		t.Fatal(s)
	}
	want := bytes.Repeat([]byte{0xee}, 1<<20)
	for i := 512; i < 257*512; i++ {
		want[i] = 0xff
	}
	if !bytes.Equal(r.data, want) {
		t.Error("the disk holds something else")
	}
}

// The port by which a disk is reached is named beside the disk.
func TestTargetPortIsNamed(t *testing.T) {
	d, _, n, _ := two(t, testID)
	b, s := do(t, d, n, "12 01 83 00 ff", nil)
	want := unhex(t, "51 94 00 04 00000001  51 95 00 04 00000001  53 98 00 14"+string(hexOf([]byte("iqn.target,t,0x0001")))+"00")
	if !s.OK() || !bytes.HasSuffix(b, want) || int(b[3])+4 != len(b) {
		t.Errorf("%v % x", s, b)
	}
}
