package scsi

import (
	"bytes"
	"strings"
	"testing"
)

// big is a disk of 256 blocks of 4 KiB.
func big() (*Disk, *ram) {
	id := testID
	id.BlockSize = 4096
	r := &ram{data: bytes.Repeat([]byte{0xee}, 1<<20)}
	return NewDisk(r, id), r
}

// On a 4Kn disk everything counts in its blocks.
func TestBigBlocks(t *testing.T) {
	d, r := big()
	if d.BlockSize() != 4096 {
		t.Errorf("%d-byte blocks", d.BlockSize())
	}
	for ask, want := range map[string]string{
		"25":                              "000000ff 00001000",
		"9e 10 0000000000000000 00000020": "00000000000000ff 00001000 00 00 c0 00" + strings.Repeat("00", 16),
		"9e 12 0000000000000008 00000018": "00000014 00000000 0000000000000008 000000f8 00 000000",
		"12 01 b0 00 40":                  "00 b0 003c 01 10 0001 00000000 00000040 00000000 00020000 00000100 00000001 80000000 0000000000100000" + strings.Repeat("00", 20),
		"1a 00 0a 00 ff":                  "17 00 10 08 00000100 00001000 0a 0a 00 10" + strings.Repeat("00", 8),
	} {
		if b, s := answer(t, d, ask); !s.OK() || !bytes.Equal(b, unhex(t, want)) {
			t.Errorf("%s: %v\n got % x\nwant % x", ask, s, b, unhex(t, want))
		}
	}
	for ask, want := range map[string]struct {
		offset, length int64
		sense          Sense
	}{
		"28 00 000000ff 00 0001 00":                {255 * 4096, 4096, Sense{}},
		"28 00 000000ff 00 0002 00":                {0, 0, lbaOutOfRange},
		"08 00 00 10 08 00":                        {16 * 4096, 8 * 4096, Sense{}},
		"41 00 00000010 00 0008 00":                {16 * 4096, 4096, Sense{}},
		"89 00 0000000000000010 000000 10 00 00":   {16 * 4096, 32 * 4096, Sense{}},
		"89 00 0000000000000010 000000 11 00 00":   {0, 0, badField(13)},
		"93 00 0000000000000000 00100001 00 00":    {0, 0, badField(10)},
		"9e 12 0000000000000100 00000018 00000000": {0, 0, lbaOutOfRange},
	} {
		var c Command
		if s := decode(d, cdb(t, ask), &c); s != want.sense || s.OK() && (c.Offset() != want.offset || c.Length != want.length) {
			t.Errorf("%s: %v, %d+%d", ask, s, c.Offset(), c.Length)
		}
	}
	if s := execute(t, d, "41 00 00000001 00 0002 00", bytes.Repeat([]byte{7}, 4096)); !s.OK() || !bytes.Equal(r.data[4096:3*4096], bytes.Repeat([]byte{7}, 8192)) {
		t.Errorf("WRITE SAME: %v", s)
	}
	if s := execute(t, d, "41 00 00000001 00 0002 00", bytes.Repeat([]byte{7}, 512)); s != paramListLength {
		t.Errorf("WRITE SAME of a small block: %v", s)
	}
	if s := execute(t, d, "42 00 00000000 00 0018 00", unhex(t, "0016 0010 00000000  0000000000000001 00000001 00000000")); !s.OK() || r.data[4096] != 0 || r.data[2*4096] != 7 || r.data[4095] != 0xee {
		t.Errorf("UNMAP: %v", s)
	}
	_, _, n, _ := two(t, d.id)
	for list, want := range map[string]Sense{"00000008 00000100 00001000": {}, "00000008 00000000 00000200": badParam(9)} {
		if _, s := do(t, d, n, "15 10 00 00 ff", unhex(t, list)); s != want {
			t.Errorf("%s: %v, want %v", list, s, want)
		}
	}
}

// Thresholds are 1 MiB whatever the block.
func TestBigBlocksThresholds(t *testing.T) {
	id := testID
	id.BlockSize = 4096
	id.Provisioning = func() Provisioning { return Provisioning{Used: 1 << 30} }
	d := NewDisk(&ram{data: make([]byte, 1<<20)}, id)
	if b, s := answer(t, d, "12 01 b2 00 ff"); !s.OK() || !bytes.Equal(b, unhex(t, "00 b2 0004 08 e4 02 00")) {
		t.Errorf("%v % x", s, b)
	}
}

func TestOtherBlocksRefused(t *testing.T) {
	defer func() {
		if got := recover(); got != "scsi: logical blocks of 520 bytes" {
			t.Errorf("panic %v", got)
		}
	}()
	NewDisk(&ram{}, Identity{BlockSize: 520})
}

// EXTENDED COPY between disks of different blocks.
func TestCopyBetweenBlockSizes(t *testing.T) {
	small, from := newRAM()
	large, to := big()
	large.id.UUID[15]++
	for i := range from.data {
		from.data[i] = byte(i >> 9)
	}
	n := NewTarget("iqn.target,t,0x0001", map[uint8]*Disk{0: small, 1: large}).Join(Initiator{Port: "iqn.a,i,0x01"})
	targets := []string{byID(small, 0), byID(large, 0)}
	const ofTarget = "02 02 "
	for name, c := range map[string]struct {
		segment string
		want    Sense
	}{
		"source's blocks":       {segment(0, 1, 16, 8, 1), Sense{}},
		"destination's":         {ofTarget + segment(0, 1, 2, 8, 3)[len(ofTarget):], Sense{}},
		"no whole block":        {segment(0, 1, 15, 8, 1), inexactSegment},
		"beyond the end":        {segment(0, 1, 16, 8, 255), copyAborted},
		"large to small":        {segment(1, 0, 1, 0, 2040), Sense{}},
		"large to beyond small": {segment(1, 0, 1, 0, 2041), copyAborted},
	} {
		if _, s := do(t, small, n, copyCDB, copyOf(t, 1, 0, targets, []string{c.segment})); s != c.want {
			t.Errorf("%s: %v, want %v", name, s, c.want)
		}
	}
	if !bytes.Equal(to.data[4096:3*4096], from.data[8*512:24*512]) || !bytes.Equal(to.data[3*4096:5*4096], from.data[8*512:24*512]) || from.data[2040*512] != 0xee {
		t.Error("something else was copied")
	}
}
