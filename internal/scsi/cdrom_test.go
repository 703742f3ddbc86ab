package scsi

import (
	"bytes"
	"strings"
	"testing"
)

// sparse is a device of any size that reads as zeros.
type sparse struct {
	ram
	size int64
}

func (s *sparse) Size() int64 { return s.size }

// disc is a CD-ROM with a disc of so many blocks.
func disc(blocks int64) *Disk {
	id := testID
	id.Product = "CD-ROM"
	return NewCDROM(&sparse{size: blocks * discBlock}, id)
}

const (
	profiles = "0000 03 08 0010 00 00 0008 01 00"
	core     = "0001 0b 08 00000001 00000000"
	atDVD    = "0000 03 08 0010 01 00 0008 00 00"
	middle   = "0002 07 04 00000000  0003 03 04 00000000  0010 01 08 00000800 0001 00 00"
	end      = "0100 03 00  0105 07 04 00000000"
)

func TestCDROM(t *testing.T) {
	cd, dvd := disc(4500), disc(2_000_000) // one minute; more than any CD
	for _, c := range []struct {
		name string
		d    *Disk
		cdb  string
		want string
	}{
		{"inquiry", cd, "12 00 00 00 24", "05 80 06 12 5b 10 00 02 424f4f5445532020 43442d524f4d20202020202020202020 302e3120"},
		{"VPD list", cd, "12 01 00 00 ff", "05 00 0004 00 80 83 86"},
		{"capacity", cd, "25", "00001193 00000800"},
		{"capacity 16", cd, "9e 10 0000000000000000 0000000f", "0000000000001193 00000800 00 00 00"},
		{"ready", cd, "00", ""},
		{"prevent removal", cd, "1e 00 00 00 01", ""},
		{"load", cd, "1b 00 00 00 03", ""},
		{"TOC", cd, "43 00 00 00 00 00 00 00ff 00", "0012 01 01  00 14 01 00 00000000  00 14 aa 00 00001194"},
		{"TOC in time", cd, "43 02 00 00 00 00 01 00ff 00", "0012 01 01  00 14 01 00 00000200  00 14 aa 00 00010200"},
		{"TOC cut", cd, "43 02 00 00 00 00 00 000c 00", "0012 01 01  00 14 01 00 00000200"},
		{"lead-out", cd, "43 00 00 00 00 00 aa 00ff 00", "000a 01 01  00 14 aa 00 00001194"},
		{"lead-out in time, beyond the last", dvd, "43 02 00 00 00 00 aa 00ff 00", "000a 01 01  00 14 aa 00 00ff3b4a"},
		{"sessions", cd, "43 00 01 00 00 00 00 00ff 00", "000a 01 01  00 14 01 00 00000000"},
		{"sessions, as Linux asks", cd, "43 00 00 00 00 00 00 000c 40", "000a 01 01  00 14 01 00 00000000"},
		{"whole TOC", cd, "43 00 02 00 00 00 00 00ff 00", "002e 01 01" +
			"01 14 00 a0 000000 00 010000" + "01 14 00 a1 000000 00 010000" + "01 14 00 a2 000000 00 010200" + "01 14 00 01 000000 00 000200"},
		{"configuration", cd, "46 00 0000 00 00 00 00ff 00", "00000050 0000 0008" + profiles + core + middle + "001e 09 04 00000000 001f 00 00" + end},
		{"configuration of a DVD", dvd, "46 00 0000 00 00 00 00ff 00", "00000050 0000 0010" + atDVD + core + middle + "001e 08 04 00000000 001f 01 00" + end},
		{"what is in force", cd, "46 01 001e 00 00 00 00ff 00", "00000018 0000 0008 001e 09 04 00000000" + end},
		{"one feature", cd, "46 02 0001 00 00 00 00ff 00", "00000010 0000 0008" + core},
		{"a feature that is not there", cd, "46 02 0028 00 00 00 00ff 00", "00000004 0000 0008"},
		{"features from MRW on, as Linux asks", cd, "46 00 0028 00 00 00 0010 00", "00000010 0000 0008" + end[:len(end)-8]},
		{"media event", cd, "4a 01 00 00 10 00 00 0008 00", "0006 04 10 00 02 0000"},
		{"another class of events", cd, "4a 01 00 00 02 00 00 0008 00", "0002 80 10"},
		{"disc information", cd, "51 00 00 00 00 00 00 00ff 00", "0020 0e 01 01 01 01 20" + strings.Repeat("00", 8) + "ffffffff ffffffff" + strings.Repeat("00", 10)},
		{"track information", cd, "52 01 00000001 00 00ff 00", "0022 01 01 00 04 01 00" + strings.Repeat("00", 16) + "00001194" + strings.Repeat("00", 8)},
		{"track of a block", cd, "52 00 00001193 00 0008 00", "0022 01 01 00 04 01 00"},
		{"physical structure", dvd, "ad 00 00000000 00 00 0014 00 00", "0802 0000 01 0f 01 00 00030000 0021847f 00000000"},
		{"copyright structure", dvd, "ad 00 00000000 00 01 00ff 00 00", "0006 0000 00000000"},
		{"mechanism status", cd, "bd 00 00 00 00 00 00 00 0008 00 00", strings.Repeat("00", 8)},
		{"mode sense 10 of capabilities", cd, "5a 00 2a 00 000000 0080 00", "001c 00 00 00 00 0000 2a 14 0b 00 00 00 00 00 2260 0000 0100 2260" + strings.Repeat("00", 6)},
		{"mode sense 6 of all", cd, "1a 00 3f 00 ff", "25 00 00 00 01 0a" + strings.Repeat("00", 10) + "2a 14 0b 00 00 00 00 00 2260 0000 0100 2260" + strings.Repeat("00", 6)},
		{"READ TOC is supported", cd, "a3 0c 01 43 0000 00000040", "00 03 000a 43 02 0f 00 00 00 ff ffff c0"},
		{"UNMAP is not", cd, "a3 0c 01 42 0000 00000040", "00 01 0000"},
	} {
		got, sense := answer(t, c.d, c.cdb)
		if want := unhex(t, c.want); !sense.OK() || !bytes.Equal(got, want) {
			t.Errorf("%s: %v\n got % x\nwant % x", c.name, sense, got, want)
		}
	}
}

func TestCDROMRefuses(t *testing.T) {
	d := disc(4500)
	for s, want := range map[string]Sense{
		"2a 00 00000000 00 0001 00":          invalidOpcode,
		"42 00 00000000 00 0018 00":          invalidOpcode,
		"35":                                 invalidOpcode,
		"5f 06 00 0000 00000018 00":          invalidOpcode,
		"83 00 00 00 00000000 0000 00000410": invalidOpcode,
		"9e 12 0000000000000000 00000018":    badField(1), // GET LBA STATUS
		"28 00 00001194 00 0001 00":          lbaOutOfRange,
		"12 01 b0 00 ff":                     badField(2),
		"1a 00 08 00 ff":                     badField(2),
		"1b 00 00 00 02":                     badField(4), // eject
		"43 00 00 00 00 00 02 00ff 00":       badField(6),
		"43 00 05 00 00 00 00 00ff 00":       badField(2), // CD-TEXT
		"ad 00 00000000 00 00 0804 00 00":    wrongMedium,
		"ad 01 00000000 00 00 0804 00 00":    badField(1),
		"46 03 0000 00 00 00 00ff 00":        badField(1),
		"4a 00 00 00 10 00 00 0008 00":       badField(1), // asynchronous
		"51 01 00 00 00 00 00 00ff 00":       badField(1),
		"52 00 00001194 00 00ff 00":          lbaOutOfRange,
		"52 01 00000002 00 00ff 00":          badField(2),
		"52 03 00000001 00 00ff 00":          badField(1),
		"a3 0c 01 9e 0000 00000040":          badField(2),
		"52 02 00000000 00 00ff 00":          badField(2),
	} {
		if _, got := answer(t, d, s); got != want {
			t.Errorf("%s: %v, want %v", s, got, want)
		}
	}
	for s, want := range map[string]Sense{"ad 00 00000000 01 00 0804": badField(6), "ad 00 00000000 00 04 0804": badField(7)} {
		if _, got := answer(t, disc(2_000_000), s); got != want {
			t.Errorf("DVD, %s: %v, want %v", s, got, want)
		}
	}
	// A disk serves none of a CD-ROM's own.
	disk, _ := newRAM()
	for _, s := range []string{"43", "46", "4a", "51", "52", "ad", "bd"} {
		if _, got := answer(t, disk, s); got != invalidOpcode {
			t.Errorf("a disk, %s: %v", s, got)
		}
	}
}

func TestCDROMReads(t *testing.T) {
	content := make([]byte, 4*discBlock)
	for i := range content {
		content[i] = byte(i / discBlock)
	}
	d := NewCDROM(ReadOnlyBytes(content), testID)
	for _, s := range []string{"28 00 00000001 00 0002 00", "a8 00 00000001 00000002 00 00", "88 00 0000000000000001 00000002 00 00"} {
		var c Command
		if s := decode(d, cdb(t, s), &c); !s.OK() || c.Kind != Read || c.Length != 2*discBlock {
			t.Fatalf("%v, kind %d, %d bytes", s, c.Kind, c.Length)
		}
		p := make([]byte, c.Length)
		if s := d.ReadAt(&c, p, 0); !s.OK() || !bytes.Equal(p, content[discBlock:3*discBlock]) {
			t.Errorf("%s: %v", s, s)
		}
	}
}

// EXTENDED COPY reads a CD-ROM, and does not write it.
func TestCopyFromCDROM(t *testing.T) {
	content := bytes.Repeat([]byte{9}, 4*discBlock)
	id := testID
	id.UUID[15]++
	from := NewCDROM(ReadOnlyBytes(content), id)
	to, r := newRAM()
	n := NewTarget("iqn.target,t,0x0001", map[uint8]*Disk{0: to, 2: from}).Join(Initiator{Port: "iqn.a,i,0x01"})
	targets := []string{byID(from, 0), byID(to, 0)}
	if _, s := do(t, to, n, copyCDB, copyOf(t, 1, 0, targets, []string{segment(0, 1, 2, 0, 4)})); !s.OK() || !bytes.Equal(r.data[4*512:12*512], content[:8*512]) {
		t.Error(s)
	}
	if _, s := do(t, to, n, copyCDB, copyOf(t, 1, 0, targets, []string{segment(1, 0, 4, 0, 0)})); s != writeProtected {
		t.Errorf("to it: %v", s)
	}
}
