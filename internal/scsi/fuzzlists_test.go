package scsi

import (
	"bytes"
	"encoding/binary"
	"testing"
)

// FuzzUnmap reads any UNMAP parameter list: what it unmaps is what a plain
// reading of it names, whole or not at all.
func FuzzUnmap(f *testing.F) {
	f.Add(unhex(f, "0026 0020 00000000  0000000000000008 00000008 00000000  0000000000000020 00000001 00000000"), false)
	f.Add(unhex(f, "0016 0010 00000000  ffffffffffffffff 00000001 00000000"), true)
	f.Add(unhex(f, "0016 0018 00000000  0000000000000000 00000001 00000000 0000"), true)
	f.Fuzz(func(t *testing.T, list []byte, large bool) {
		d, r := newRAM()
		if large {
			d, r = big()
		}
		got := d.unmap(list)
		want := bytes.Repeat([]byte{0xee}, len(r.data))
		for p := list[min(8, len(list)):]; got.OK() && len(p) >= 16 && len(list)-len(p)+8 <= int(binary.BigEndian.Uint16(list[2:])); p = p[16:] {
			at, n := int64(binary.BigEndian.Uint64(p))*d.BlockSize(), int64(binary.BigEndian.Uint32(p[8:]))*d.BlockSize()
			clear(want[at : at+n])
		}
		if !bytes.Equal(r.data, want) {
			t.Fatalf("% x: %v: something else was unmapped", list, got)
		}
	})
}

// FuzzModeSelect reads any mode parameter list. What is taken is what MODE
// SENSE says afterwards; what is refused changes nothing, and only what may
// change does.
func FuzzModeSelect(f *testing.F) {
	f.Add(unhex(f, wceOff), false)
	f.Add(unhex(f, "0000000000000008 00000800 00000200 0a 0a 00 10 08 00000000000000"), true)
	f.Add(unhex(f, "00000000 5c 02 0014"), false)
	f.Fuzz(func(t *testing.T, list []byte, ten bool) {
		d, _ := newRAM()
		code := "15"
		if ten {
			code = "55"
		}
		c := Command{CDB: *cdb(t, code), nexus: NewTarget("", nil).Join(Initiator{})}
		before := d.modes.Load()
		s := d.modeSelect(&c, list)
		now := d.modes.Load()
		if !s.OK() && now != before || now&^d.changeableModes() != before&^d.changeableModes() {
			t.Fatalf("% x: %v: modes %b become %b", list, s, before, now)
		}
		// What is there now can be selected, and is no change.
		for _, ask := range []string{"5a 00 3f 00 000000 0fff 00"} {
			b, s := answer(t, d, ask)
			c.CDB = *cdb(t, "55")
			if !s.OK() || !d.modeSelect(&c, b).OK() || d.modes.Load() != now {
				t.Fatalf("% x is not taken back: %v", b, s)
			}
		}
	})
}

// FuzzPersistentOut reads any parameter list of every service action.
func FuzzPersistentOut(f *testing.F) {
	f.Add(unhex(f, "0000000000000000 0000000000000001 00000000 01 000000"), byte(0), byte(0))
	f.Add(unhex(f, "0000000000000007 0000000000000000 00000000 00 000000"), byte(1), byte(exclusive))
	f.Fuzz(func(t *testing.T, list []byte, action, kind byte) {
		k := new(shelf)
		d, one, far := share(t, k)
		expect(t, d, one, "5f 06 00 0000 00000018", "0000000000000000 0000000000000007 00000000 01 000000", Sense{})
		expect(t, d, far, "5f 06 00 0000 00000018", "0000000000000000 0000000000000008 00000000 01 000000", Sense{})
		expect(t, d, far, "5f 01 08 0000 00000018", "0000000000000008 0000000000000000 00000000 00 000000", Sense{})
		c := Command{CDB: CDB{0: opPersistentOut, 1: action & serviceActionMask, 2: kind}, nexus: one}
		d.reservePersistent(&c, list)
		p := d.res.persistent.Load()
		if p.kind != noReservation && !p.all() && !p.registered(p.holder) || p.all() && len(p.list) == 0 || p.kind > exclusiveAll {
			t.Fatalf("reservation without a holder: %+v", p)
		}
		for _, r := range p.list {
			if r.key == 0 {
				t.Fatalf("registered without a key: %+v", p)
			}
		}
	})
}

// FuzzCDROM asks a CD-ROM anything: answers keep to their allocation length,
// and say themselves how long they are.
func FuzzCDROM(f *testing.F) {
	for code, op := range discCommands {
		if op != nil {
			f.Add(append([]byte{byte(code)}, bytes.Repeat([]byte{1}, 15)...), int64(4500))
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte, blocks int64) {
		var in CDB
		copy(in[:], raw)
		d := disc(max(1, blocks%(1<<40)))
		var c Command
		if !decode(d, &in, &c).OK() || c.Kind != Control {
			return
		}
		b, s := d.Answer(&c, nil)
		if int64(len(b)) > c.Length {
			t.Fatalf("answer of %d bytes, allocation length %d", len(b), c.Length)
		}
		if in[0] == opReadTOC && s.OK() && len(b) >= 2 && c.Length > 4096 && int(binary.BigEndian.Uint16(b))+2 != len(b) {
			t.Fatalf("% x is %d bytes long", b, len(b))
		}
	})
}
