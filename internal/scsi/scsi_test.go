package scsi

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"

	"bootes.dev/internal/block"
)

// ram is a writable device of which calls can be made to fail.
type ram struct {
	data    []byte
	err     error
	flushes int
}

func (r *ram) Size() int64 { return int64(len(r.data)) }

func (r *ram) check(off, n int64) error {
	if r.err != nil {
		return r.err
	}
	return block.CheckRange(r.Size(), off, n)
}

func (r *ram) ReadAt(p []byte, off int64) (int, error) {
	if err := r.check(off, int64(len(p))); err != nil {
		return 0, err
	}
	return copy(p, r.data[off:]), nil
}

func (r *ram) WriteAt(p []byte, off int64) (int, error) {
	if err := r.check(off, int64(len(p))); err != nil {
		return 0, err
	}
	return copy(r.data[off:], p), nil
}

func (r *ram) Unmap(off, n int64) error {
	if err := r.check(off, n); err != nil {
		return err
	}
	clear(r.data[off : off+n])
	return nil
}

func (r *ram) Flush() error {
	r.flushes++
	return r.err
}

var testID = Identity{Vendor: "BOOTES", Product: "DISK", Revision: "0.1", Serial: "vol-17",
	UUID: [16]byte{0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff, 0x00}}

func newRAM() (*Disk, *ram) {
	r := &ram{data: bytes.Repeat([]byte{0xee}, 1<<20)} // 2048 blocks
	return NewDisk(r, testID), r
}

// decode decodes a CDB that comes by a nexus of its own.
func decode(d *Disk, cdb *CDB, c *Command) Sense {
	units := map[uint8]*Disk{0: d, 1: d}
	if d.absent() {
		units = nil
	}
	return d.Decode(NewTarget("", units).Join(Initiator{}), 0, cdb, c)
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func cdb(t testing.TB, s string) *CDB {
	var c CDB
	copy(c[:], unhex(t, s))
	return &c
}

// What each CDB decodes to on a disk of 2048 blocks.
func TestDecode(t *testing.T) {
	for _, c := range []struct {
		cdb    string
		kind   Kind
		offset int64
		length int64
		sense  Sense
	}{
		{"00 00 00 00 00 00", Control, 0, 0, Sense{}},
		{"08 00 00 10 08 00", Read, 0x10 * 512, 8 * 512, Sense{}},
		{"08 00 00 10 00 00", Read, 0x10 * 512, 256 * 512, Sense{}},
		{"0a 00 07 ff 01 00", Write, 0x7ff * 512, 512, Sense{}},
		{"0a 00 07 ff 02 00", Control, 0, 0, lbaOutOfRange},
		{"28 00 00000010 00 0008 00", Read, 0x10 * 512, 8 * 512, Sense{}},
		{"28 00 00000800 00 0000 00", Read, 1 << 20, 0, Sense{}},
		{"28 00 00000801 00 0000 00", Control, 0, 0, lbaOutOfRange},
		{"28 00 ffffffff 00 ffff 00", Control, 0, 0, lbaOutOfRange},
		{"28 20 00000010 00 0008 00", Control, 0, 0, badField(1)},
		{"28 00 00000010 00 0008 04", Control, 0, 0, badField(9)},
		{"2a 08 00000010 00 0008 00", Write, 0x10 * 512, 8 * 512, Sense{}},
		{"a8 00 00000010 00000008 00 00", Read, 0x10 * 512, 8 * 512, Sense{}},
		{"aa 00 00000010 00000008 00 00", Write, 0x10 * 512, 8 * 512, Sense{}},
		{"88 00 0000000000000010 00000008 00 00", Read, 0x10 * 512, 8 * 512, Sense{}},
		{"88 00 ffffffffffffffff ffffffff 00 00", Control, 0, 0, lbaOutOfRange},
		{"88 00 7fffffffffffffff 00000001 00 00", Control, 0, 0, lbaOutOfRange},
		{"8a 00 0000000000000010 00000008 00 00", Write, 0x10 * 512, 8 * 512, Sense{}},
		{"2f 00 00000010 00 0008 00", Slow, 0x10 * 512, 0, Sense{}},
		{"2f 02 00000010 00 0008 00", Write, 0x10 * 512, 8 * 512, Sense{}},
		{"2f 04 00000010 00 0008 00", Control, 0, 0, badField(1)},
		{"2f 06 00000010 00 0008 00", Parameters, 0x10 * 512, 512, Sense{}},
		{"2f 06 00000010 00 0000 00", Control, 0x10 * 512, 0, Sense{}},
		{"2e 06 00000010 00 0008 00", Control, 0, 0, badField(1)},
		{"56 00 00 00 00 00 00 0000 00", Slow, 0, 0, Sense{}},
		{"56 10 00 07 00 00 00 0000 00", Control, 0, 0, badField(1)},
		{"57 02 00 00 00 00 00 0000 00", Control, 0, 0, badField(1)},
		{"57 00 00 00 00 00 00 0008 00", Control, 0, 0, badField(7)},
		{"35 00 00000000 00 0000 00", Slow, 0, 0, Sense{}},
		{"91 00 0000000000000801 00000000 00 00", Slow, 0, 0, lbaOutOfRange},
		{"41 08 00000010 00 0008 00", Parameters, 0x10 * 512, 512, Sense{}},
		{"41 00 00000010 00 0000 00", Control, 0, 0, badField(7)},
		{"93 01 0000000000000010 00000008 00 00", Slow, 0x10 * 512, 0, Sense{}},
		{"93 10 0000000000000010 00000008 00 00", Control, 0, 0, badField(1)},
		{"42 00 00000000 00 0018 00", Parameters, 0, 24, Sense{}},
		{"42 01 00000000 00 0018 00", Control, 0, 0, badField(1)},
		{"42 00 00000000 00 0007 00", Control, 0, 0, paramListLength},
		{"89 00 0000000000000010 000000 08 00 00", Parameters, 0x10 * 512, 16 * 512, Sense{}},
		{"89 00 0000000000000010 000000 81 00 00", Control, 0, 0, badField(13)},
		{"9e 10 0000000000000000 00000020 00 00", Control, 0, 32, Sense{}},
		{"9e 11 0000000000000000 00000020 00 00", Control, 0, 0, badField(1)},
		{"ff", Control, 0, 0, invalidOpcode},
	} {
		d, _ := newRAM()
		var cmd Command
		sense := decode(d, cdb(t, c.cdb), &cmd)
		if sense != c.sense {
			t.Errorf("%s: sense %v, want %v", c.cdb, sense, c.sense)
			continue
		}
		if sense.OK() && (cmd.Kind != c.kind || cmd.Length != c.length || cmd.Offset() != c.offset) {
			t.Errorf("%s: kind %d offset %d length %d", c.cdb, cmd.Kind, cmd.Offset(), cmd.Length)
		}
	}
}

func TestDeviceErrors(t *testing.T) {
	for err, want := range map[error]Sense{
		block.ErrNoSpace:    {Key: 7, Code: 0x2707},
		block.ErrReadOnly:   {Key: 7, Code: 0x2700},
		block.ErrCorrupt:    {Key: 3, Code: 0x1100},
		block.ErrOutOfRange: {Key: 5, Code: 0x2100},
		block.ErrFailed:     {Key: 4, Code: 0x4400},
		block.ErrClosed:     {Key: 4, Code: 0x4400},
		errors.New("other"): {Key: 4, Code: 0x4400},
	} {
		d, r := newRAM()
		var c Command
		decode(d, cdb(t, "2a 08 00000000 00 0001 00"), &c)
		r.err = fmt.Errorf("write overlay: %w", err)
		if got := d.WriteAt(&c, make([]byte, 512), 0); got != want {
			t.Errorf("%v: %v, want %v", err, got, want)
		}
		if got := d.Finish(&c); got != want {
			t.Errorf("flush, %v: %v, want %v", err, got, want)
		}
	}
}

func TestReadOnlyDisk(t *testing.T) {
	d := NewDisk(ReadOnlyBytes([]byte("hello")), Identity{ReadOnly: true})
	for _, s := range []string{
		"0a 00 00 00 01 00", "2a 00 00000000 00 0001 00", "aa 00 00000000 00000001", "8a 00 0000000000000000 00000001",
		"41 00 00000000 00 0001 00", "93 00 0000000000000000 00000001", "42 00 00000000 00 0018 00",
		"2e 00 00000000 00 0001 00", "89 00 0000000000000000 000000 01",
	} {
		var c Command
		if got := decode(d, cdb(t, s), &c); got != writeProtected {
			t.Errorf("%s: %v", s, got)
		}
	}
	var c Command
	p := make([]byte, 512)
	if s := decode(d, cdb(t, "28 00 00000000 00 0001 00"), &c); !s.OK() {
		t.Fatal(s)
	}
	if s := d.ReadAt(&c, p, 0); !s.OK() || !bytes.HasPrefix(p, []byte("hello\x00")) {
		t.Errorf("read %q, %v", p[:8], s)
	}
}

func execute(t testing.TB, d *Disk, s string, params []byte) Sense {
	t.Helper()
	var c Command
	if sense := decode(d, cdb(t, s), &c); !sense.OK() {
		return sense
	}
	return d.Execute(&c, params)
}

func TestUnmap(t *testing.T) {
	d, r := newRAM()
	list := unhex(t, "0026 0020 00000000  0000000000000008 00000008 00000000  0000000000000020 00000001 00000000")
	if s := execute(t, d, "42 00 00000000 00 0028 00", list); !s.OK() {
		t.Fatal(s)
	}
	for lba := range 64 {
		want := byte(0xee)
		if lba >= 8 && lba < 16 || lba == 32 {
			want = 0
		}
		if got := r.data[lba*512]; got != want {
			t.Errorf("block %d holds %02x, want %02x", lba, got, want)
		}
	}
	// One bad descriptor: nothing is unmapped.
	list = unhex(t, "0026 0020 00000000  0000000000000040 00000008 00000000  00000000000007ff 00000002 00000000")
	if s := execute(t, d, "42 00 00000000 00 0028 00", list); s != lbaOutOfRange || r.data[0x40*512] != 0xee {
		t.Errorf("%v, block 40h holds %02x", s, r.data[0x40*512])
	}
	if s := execute(t, d, "42 00 00000000 00 0028 00", list[:4]); s != paramListLength {
		t.Errorf("short list: %v", s)
	}
}

func TestWriteSame(t *testing.T) {
	d, r := newRAM()
	one := bytes.Repeat([]byte{7}, 512)
	if s := execute(t, d, "41 00 00000001 00 0190 00", one); !s.OK() {
		t.Fatal(s)
	}
	if !bytes.Equal(r.data[512:401*512], bytes.Repeat([]byte{7}, 400*512)) || r.data[0] != 0xee || r.data[401*512] != 0xee {
		t.Error("wrong range")
	}
	if s := execute(t, d, "93 01 0000000000000002 00000001", nil); !s.OK() || r.data[2*512] != 0 || r.data[3*512] != 7 {
		t.Errorf("NDOB: %v", s)
	}
	if s := execute(t, d, "41 00 00000000 00 0001 00", nil); s != paramListLength || r.data[0] != 0xee {
		t.Errorf("without data: %v", s)
	}
}

func TestCompareAndWrite(t *testing.T) {
	d, r := newRAM()
	old, new := bytes.Repeat([]byte{0xee}, 1024), bytes.Repeat([]byte{1}, 1024)
	const command = "89 00 0000000000000004 000000 02"
	if s := execute(t, d, command, append(append([]byte(nil), old...), new...)); !s.OK() || !bytes.Equal(r.data[4*512:6*512], new) {
		t.Errorf("first: %v", s)
	}
	if s := execute(t, d, command, append(append([]byte(nil), old...), old...)); s != differsAt(0) || !bytes.Equal(r.data[4*512:6*512], new) {
		t.Errorf("second: %v", s)
	}
	var c Command
	decode(d, cdb(t, command), &c)
	if c.TakesData(1024) || !c.TakesData(2048) {
		t.Error("takes another number of bytes")
	}
}

// differsAt is a miscompare at byte n of the data.
func differsAt(n uint64) Sense {
	s := miscompare
	s.At = n + 1
	return s
}

func TestMiscompareSaysWhere(t *testing.T) {
	d, r := newRAM()
	r.data[verifyPiece+700] ^= 1
	var c Command
	decode(d, cdb(t, "8f 02 0000000000000000 00000200 00 00"), &c)
	same := bytes.Repeat([]byte{0xee}, 0x200*512)
	if s := d.WriteAt(&c, same[:512], 0); !s.OK() {
		t.Error(s)
	}
	if s := d.WriteAt(&c, same[512:], 512); s != differsAt(verifyPiece+700) {
		t.Errorf("%v at %d", s, s.At)
	}
	if b := differsAt(0x1234).appendFixed(nil); !bytes.Equal(b, unhex(t, "f0 00 0e 00001234 0a 00000000 1d 00 00 00 0000")) {
		t.Errorf("% x", b)
	}
	if b := differsAt(0x1234).appendDescriptors(nil); !bytes.Equal(b, unhex(t, "72 0e 1d 00 000000 0c  00 0a 80 00 0000000000001234")) {
		t.Errorf("% x", b)
	}
}

func TestVerify(t *testing.T) {
	d, r := newRAM()
	if s := execute(t, d, "2f 00 00000000 00 0800 00", nil); !s.OK() {
		t.Error(s)
	}
	var c Command
	decode(d, cdb(t, "2f 02 00000000 00 0002 00"), &c)
	if s := d.WriteAt(&c, bytes.Repeat([]byte{0xee}, 1024), 0); !s.OK() {
		t.Error(s)
	}
	if s := d.WriteAt(&c, make([]byte, 1024), 0); s != differsAt(0) || r.data[0] != 0xee {
		t.Errorf("%v", s)
	}
	// One block against each.
	r.data[0x200*512+5] ^= 1
	one := bytes.Repeat([]byte{0xee}, 512)
	for s, want := range map[string]Sense{"2f 06 00000000 00 0200 00": {}, "8f 06 0000000000000000 00000400 00 00": differsAt(5)} {
		if got := execute(t, d, s, one); got != want {
			t.Errorf("%s: %v at %d", s, got, got.At)
		}
	}
	if s := execute(t, d, "2f 06 00000000 00 0200 00", one[:511]); s != paramListLength {
		t.Error(s)
	}
	decode(d, cdb(t, "2f 06 00000000 00 0200 00"), &c)
	if c.TakesData(1024) || !c.TakesData(512) || c.changesBlocks() {
		t.Error("takes another number of bytes, or writes")
	}
	r.err = block.ErrCorrupt
	if s := execute(t, d, "2f 00 00000000 00 0800 00", nil); s != unreadable(0) {
		t.Error(s)
	}
}

// unreadable is a medium error at a block.
func unreadable(lba uint64) Sense {
	s := unrecoveredRead
	s.At = lba + 1
	return s
}

// scratched is a disk of which some sectors cannot be read.
type scratched struct {
	*ram
	from, to int64 // bytes
}

func (s scratched) ReadAt(p []byte, off int64) (int, error) {
	if off < s.to && off+int64(len(p)) > s.from {
		return 0, block.ErrCorrupt
	}
	return s.ram.ReadAt(p, off)
}

// INFORMATION is the first block that cannot be read.
func TestMediumErrorSaysWhere(t *testing.T) {
	for _, size := range []int{512, 4096} {
		id := testID
		id.BlockSize = size
		for _, bad := range []int64{0, 512, 8192, 15 * 4096, 16*4096 - 512} {
			d := NewDisk(scratched{&ram{data: make([]byte, 1<<20)}, bad, bad + 4096}, id)
			lba := uint64(bad) / uint64(size)
			if s := d.read(make([]byte, 16*4096), 0); s != unreadable(lba) {
				t.Errorf("READ, %d unreadable in blocks of %d: %v at %d", bad, size, s, s.At)
			}
			if s := d.check(0, 1<<20); s != unreadable(lba) {
				t.Errorf("VERIFY, %d unreadable in blocks of %d: %v at %d", bad, size, s, s.At)
			}
			if s := d.compare(make([]byte, 16*4096), 0); s != unreadable(lba) {
				t.Errorf("comparison, %d unreadable in blocks of %d: %v at %d", bad, size, s, s.At)
			}
		}
	}
	d := NewDisk(scratched{&ram{data: make([]byte, 1<<20)}, 3 * 4096, 4 * 4096}, testID)
	if s := execute(t, d, "2f 00 00000008 00 0100 00", nil); s != unreadable(24) {
		t.Errorf("VERIFY: %v at %d", s, s.At)
	}
	var c Command
	decode(d, cdb(t, "28 00 00000010 00 0010 00"), &c)
	if s := d.ReadAt(&c, make([]byte, 4096), 4096); s != unreadable(24) {
		t.Errorf("READ: %v at %d", s, s.At)
	}
	decode(d, cdb(t, "2f 02 00000010 00 0010 00"), &c)
	if s := d.WriteAt(&c, make([]byte, 4096), 4096); s != unreadable(24) {
		t.Errorf("VERIFY of bytes: %v at %d", s, s.At)
	}
	far := unreadable(1 << 32)
	if b := far.appendFixed(nil); !bytes.Equal(b, unhex(t, "70 00 03 00000000 0a 00000000 11 00 00 00 0000")) {
		t.Errorf("% x", b)
	}
	if b := far.appendDescriptors(nil); !bytes.Equal(b, unhex(t, "72 03 11 00 000000 0c  00 0a 80 00 0000000100000000")) {
		t.Errorf("% x", b)
	}
}

func TestSenseBytes(t *testing.T) {
	for _, c := range []struct {
		sense Sense
		want  string
	}{
		{spaceAllocation, "70 00 07 00000000 0a 00000000 27 07 00 00 0000"},
		{badField(13), "70 00 05 00000000 0a 00000000 24 00 00 c0 000d"},
		{badParam(8), "70 00 05 00000000 0a 00000000 26 00 00 80 0008"},
	} {
		if got := c.sense.appendFixed(nil); !bytes.Equal(got, unhex(t, c.want)) {
			t.Errorf("%v: % x", c.sense, got)
		}
	}
}
