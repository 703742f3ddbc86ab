package scsi

import (
	"bytes"
	"testing"
)

// holes is a device whose 4 KiB blocks are mapped where the string has an x.
type holes struct {
	ram
	blocks string
}

func (h *holes) Size() int64 { return int64(len(h.blocks)) * 4096 }

func (h *holes) Mapped(off, n int64) (bool, int64) {
	return h.blocks[off/4096] == 'x', min(n, 4096-off%4096)
}

func TestLBAStatus(t *testing.T) {
	d := NewDisk(&holes{blocks: "xx..x."}, testID)
	for ask, want := range map[string]string{
		"9e 12 0000000000000000 00000200": "00000044 00000000" +
			"0000000000000000 00000010 00 000000" + "0000000000000010 00000010 01 000000" +
			"0000000000000020 00000008 00 000000" + "0000000000000028 00000008 01 000000",
		"9e 12 0000000000000013 00000028": "00000024 00000000" +
			"0000000000000013 0000000d 01 000000" + "0000000000000020 00000008 00 000000",
		"9e 12 000000000000002f 00000018": "00000014 00000000 000000000000002f 00000001 01 000000",
		"9e 12 000000000000002f 00000000": "",
	} {
		if b, s := answer(t, d, ask); !s.OK() || !bytes.Equal(b, unhex(t, want)) {
			t.Errorf("%s: %v\n got % x\nwant % x", ask, s, b, unhex(t, want))
		}
	}
	if _, s := answer(t, d, "9e 12 0000000000000030 00000018"); s != lbaOutOfRange {
		t.Error(s)
	}
}

// A disk of many small pieces does not keep the reader of a connection busy.
func TestLBAStatusIsBounded(t *testing.T) {
	d := NewDisk(&holes{blocks: string(bytes.Repeat([]byte("x"), 3*maxRuns))}, testID)
	b, s := answer(t, d, "9e 12 0000000000000000 00001000")
	if want := unhex(t, "00000014 00000000 0000000000000000 00008000 00 000000"); !s.OK() || !bytes.Equal(b, want) {
		t.Errorf("%v % x", s, b)
	}
}
