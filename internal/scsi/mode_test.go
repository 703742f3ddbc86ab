package scsi

import (
	"bytes"
	"testing"
)

// two returns a disk of two nexuses.
func two(t *testing.T, id Identity) (d *Disk, r *ram, one, other *Nexus) {
	t.Helper()
	r = &ram{data: bytes.Repeat([]byte{0xee}, 1<<20)}
	d = NewDisk(r, id)
	target := NewTarget("iqn.target,t,0x0001", map[uint8]*Disk{0: d})
	return d, r, target.Join(Initiator{Port: "iqn.one,i,0x01"}), target.Join(Initiator{Port: "iqn.other,i,0x02"})
}

// do serves a command that has no data of the disk, whatever its kind, by the
// number that the disk has for n.
func do(t testing.TB, d *Disk, n *Nexus, s string, params []byte) ([]byte, Sense) {
	t.Helper()
	lun := uint8(0)
	for _, p := range d.places {
		if p.target == n.target {
			lun = p.lun
		}
	}
	var c Command
	if sense := d.Decode(n, lun, cdb(t, s), &c); !sense.OK() {
		return nil, sense
	}
	if c.Kind == Control {
		return d.Answer(&c, nil)
	}
	sense, over := d.Execute(&c, params), true
	if c.Preempts() {
		over = false
		d.EndPreempted(&c, func() { over = true })
	}
	if !over {
		t.Errorf("%s is not over", s)
	}
	return nil, sense
}

func TestModeSelect(t *testing.T) {
	d, r, one, other := two(t, testID)
	expect := func(n *Nexus, s string, params string, want Sense) []byte {
		t.Helper()
		b, got := do(t, d, n, s, unhex(t, params))
		if got != want {
			t.Errorf("%s %s: %v, want %v", s, params, got, want)
		}
		return b
	}
	const turOff = "00000000 0812 0000 00000000000000000000 00000000 0000"
	expect(one, "15 10 00 00 18", turOff, Sense{})
	expect(one, "00", "", Sense{})
	expect(other, "00", "", ModeChanged.Sense())
	expect(other, "00", "", Sense{})
	if b := expect(other, "1a 08 08 00 ff", "", Sense{}); len(b) < 7 || b[6] != 0 {
		t.Errorf("WCE is on: % x", b)
	}
	expect(one, "15 10 00 00 18", turOff, Sense{}) // as it is: nobody is told
	expect(other, "00", "", Sense{})

	// Without the cache each write is durable when it is answered.
	var c Command
	if s := d.Decode(one, 0, cdb(t, "2a 00 00000000 00 0001 00"), &c); !s.OK() || !c.NeedsFinish() {
		t.Errorf("a write without WCE: %v, finish %v", s, c.NeedsFinish())
	}
	before := r.flushes
	expect(one, "41 00 00000000 00 0001 00", string(hexOf(make([]byte, 512))), Sense{})
	if r.flushes != before+1 {
		t.Error("WRITE SAME did not flush")
	}

	// SWP, by the 10-byte CDB and with a block descriptor.
	expect(one, "55 10 00 00 000000 001c 00", "0000000000000008 00000800 00000200 0a 0a 00 10 08 00000000000000", Sense{})
	expect(other, "2a 00 00000000 00 0001 00", "", ModeChanged.Sense())
	expect(other, "2a 00 00000000 00 0001 00", "", softwareProtected)
	expect(one, "42 00 00000000 00 0018 00", "", softwareProtected)
	if b := expect(one, "1a 08 0a 00 ff", "", Sense{}); b[2] != 0x90 || b[8] != 0x08 {
		t.Errorf("write protected: % x", b)
	}
	// D_SENSE, and the other two back.
	expect(one, "15 10 00 00 24", "00000000 0812 0400 00000000000000000000 00000000 0000 0a 0a 04 10 00 00000000000000", Sense{})
	expect(other, "00", "", ModeChanged.Sense())
	expect(other, "41 00 00000000 00 0001 00", string(hexOf(make([]byte, 512))), Sense{})
	if b := d.AppendSense(badField(2), nil); !bytes.Equal(b, unhex(t, "72 05 24 00 000000 08  02 06 0000 c0 0002 00")) {
		t.Errorf("sense % x", b)
	}
	if b := d.AppendSense(lbaOutOfRange, nil); !bytes.Equal(b, unhex(t, "72 05 21 00 00000000")) {
		t.Errorf("sense % x", b)
	}

	// A reset brings the defaults back.
	one.target.Reset(UnitReset, d)
	for _, n := range []*Nexus{one, other} {
		expect(n, "00", "", UnitReset.Sense())
	}
	if b := d.AppendSense(lbaOutOfRange, nil); b[0] != 0x70 {
		t.Errorf("sense after a reset % x", b)
	}
}

func hexOf(b []byte) []byte {
	const digits = "0123456789abcdef"
	var s []byte
	for _, c := range b {
		s = append(s, digits[c>>4], digits[c&15])
	}
	return s
}

// A list with anything wrong in it changes nothing.
func TestModeSelectRefused(t *testing.T) {
	d, _, one, other := two(t, testID)
	for list, want := range map[string]Sense{
		"000000": paramListLength,
		"00000000 0812 0000 00000000000000000000 0000":          paramListLength,
		"00000008 00000800":                                     paramListLength,
		"00000004 00000800":                                     badParam(3),
		"00000008 00000801 00000200":                            badParam(4),
		"00000008 00000000 00001000":                            badParam(9),
		"00000000 0911 0000":                                    badParam(4),
		"00000000 0811 0000 00000000000000000000 00000000 0000": badParam(5),
		"00000000 0812 0001 00000000000000000000 00000000 0000": badParam(7),
		"00000000 0812 0000 00000000000000000000 00000000 0000 0a 0a 06 10 00 00000000000000": badParam(26),
		"00000000 5c 02 0014 0000": badParam(4),
	} {
		p := unhex(t, list)
		if _, s := do(t, d, one, "15 10 00 00 ff", p); s != want {
			t.Errorf("%s: %v, want %v", list, s, want)
		}
	}
	if d.modes.Load() != modeWCE {
		t.Errorf("modes %b", d.modes.Load())
	}
	if _, s := do(t, d, other, "00", nil); !s.OK() {
		t.Errorf("told %v", s)
	}
}

// What MODE SENSE gives MODE SELECT takes, page by page and all at once.
func TestModeSelectOfModeSense(t *testing.T) {
	thin := testID
	thin.Provisioning = func() Provisioning { return Provisioning{Used: 1 << 30, Limit: 4 << 30, Warn: 3 << 30} }
	through := testID
	through.WriteThrough = func() bool { return true }
	for _, id := range []Identity{testID, thin, through} {
		d, _, n, _ := two(t, id)
		for _, ask := range []string{"5a 00 3f ff 000000 0fff 00", "5a 08 08 00 000000 0fff 00", "5a 00 3f 00 000000 0fff 00"} {
			b, s := do(t, d, n, ask, nil)
			if !s.OK() {
				t.Fatal(s)
			}
			if _, s := do(t, d, n, "55 10 00 00 000000 0fff 00", b); !s.OK() {
				t.Errorf("%s: % x: %v", ask, b, s)
			}
		}
	}
}

// A disk that writes through has no cache, and none that could be enabled.
func TestWriteThrough(t *testing.T) {
	id := testID
	through := true
	id.WriteThrough = func() bool { return through }
	d, _, n, _ := two(t, id)
	for page, want := range map[string]byte{"08": 0, "48": 0, "88": 0} {
		if b, s := do(t, d, n, "1a 08 "+page+" 00 ff", nil); !s.OK() || b[6] != want {
			t.Errorf("page %s: %v % x", page, s, b)
		}
	}
	var c Command
	if d.Decode(n, 0, cdb(t, "2a 00 00000000 00 0001 00"), &c); c.NeedsFinish() {
		t.Error("a write flushes what was durable")
	}
	// The device writes through no longer, but that is what its initiators
	// count on, also after a reset.
	through = false
	n.target.Reset(UnitReset, d)
	n.take(0)
	if b, s := do(t, d, n, "1a 08 08 00 ff", nil); !s.OK() || b[6] != 0 {
		t.Errorf("%v % x", s, b)
	}
	if d.Decode(n, 0, cdb(t, "2a 00 00000000 00 0001 00"), &c); !c.NeedsFinish() {
		t.Error("a write is not flushed")
	}
}

func TestThresholds(t *testing.T) {
	id := testID
	now := Provisioning{Used: 1 << 30, Limit: 4 << 30, Warn: 3 << 30}
	id.Provisioning = func() Provisioning { return now }
	d, _, n, _ := two(t, id)
	for ask, want := range map[string]string{
		"1a 08 01 00 ff":           "0f 00 10 00  01 0a c0 00 00 00 00 80 00 00 0000",
		"1a 08 1c 02 ff":           "1b 00 10 00  5c 02 0014 000000000000000000000000 81 02 0000 00000c00",
		"4d 00 40 00 00 0000 00ff": "00 00 0002 00 0c",
		"4d 00 4c 00 00 0000 00ff": "0c 00 0018  0001 03 08 00000c00 01 000000  0002 03 08 00000400 01 000000",
		"4d 00 4c 00 00 0002 00ff": "0c 00 000c  0002 03 08 00000400 01 000000",
		"12 01 b2 00 ff":           "00 b2 0004 0b e4 02 00",
	} {
		if b, s := do(t, d, n, ask, nil); !s.OK() || !bytes.Equal(b, unhex(t, want)) {
			t.Errorf("%s: %v\n got % x\nwant % x", ask, s, b, unhex(t, want))
		}
	}
	now.Limit, now.Warn = 0, 0
	if b, s := do(t, d, n, "1a 08 1c 02 ff", nil); !s.OK() || b[len(b)-8] != 0x01 {
		t.Errorf("without a threshold: %v % x", s, b)
	}
	if b, s := do(t, d, n, "4d 00 4c 00 00 0000 00ff", nil); !s.OK() || len(b) != 16 || b[5] != logUsed {
		t.Errorf("without a limit: %v % x", s, b)
	}
}
