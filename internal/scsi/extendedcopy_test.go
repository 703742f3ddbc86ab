package scsi

import (
	"bytes"
	"fmt"
	"testing"
)

// pair is a target of two disks, and a nexus.
func pair(t *testing.T) (units [2]*Disk, data [2]*ram, n *Nexus) {
	t.Helper()
	for i := range units {
		data[i] = &ram{data: bytes.Repeat([]byte{byte(i + 1)}, 1<<20)}
		id := testID
		id.UUID[15] = byte(i)
		units[i] = NewDisk(data[i], id)
	}
	target := NewTarget("iqn.target,t,0x0001", map[uint8]*Disk{0: units[0], 1: units[1]})
	return units, data, target.Join(Initiator{Port: "iqn.a,i,0x01"})
}

// byID is a target descriptor for a designator of d.
func byID(d *Disk, which int) string {
	id := d.designators()[which]
	return "e4 00 0000" + string(hexOf(id)) + string(hexOf(make([]byte, 24-len(id)))) + "00 000200"
}

func segment(from, to int, blocks, src, dst uint64) string {
	return fmt.Sprintf("02 00 0018 %04x %04x 0000 %04x %016x %016x", from, to, blocks, src, dst)
}

// copyOf is a parameter list.
func copyOf(t *testing.T, id byte, usage byte, targets []string, segments []string) []byte {
	var a, b []byte
	for _, s := range targets {
		a = append(a, unhex(t, s)...)
	}
	for _, s := range segments {
		b = append(b, unhex(t, s)...)
	}
	head := unhex(t, fmt.Sprintf("%02x %02x %04x 00000000 %08x 00000000", id, usage<<3, len(a), len(b)))
	return append(append(head, a...), b...)
}

const copyCDB = "83 00 00 00 00000000 0000 00000410"

func TestExtendedCopy(t *testing.T) {
	units, data, n := pair(t)
	clear(data[0].data[:8*512])
	list := copyOf(t, 7, 0, []string{byID(units[0], 0), byID(units[1], 1)}, []string{
		segment(0, 1, 1024, 0, 512), segment(1, 0, 1, 0, 2047), segment(1, 1, 0, 0, 0),
	})
	if _, s := do(t, units[1], n, copyCDB, list); !s.OK() {
		t.Fatal(s)
	}
	want := bytes.Repeat([]byte{2}, 1<<20)
	copy(want[512*512:], data[0].data[:1024*512])
	if !bytes.Equal(data[1].data, want) {
		t.Error("disk 1 holds something else")
	}
	if data[0].data[2047*512] != 2 || data[0].data[2046*512] != 1 {
		t.Error("disk 0 holds something else")
	}
	const ask = "84 00 07 00 00000000 0000 000000ff"
	if b, s := do(t, units[1], n, ask, nil); !s.OK() || !bytes.Equal(b, unhex(t, "00000008 01 0003 01 00000200")) {
		t.Errorf("copy status: %v % x", s, b)
	}
	if _, s := do(t, units[1], n, ask, nil); s != badField(2) {
		t.Errorf("asked again: %v", s)
	}
	// A list that is not to be held, and one that fails.
	do(t, units[1], n, copyCDB, copyOf(t, 7, 2, []string{byID(units[0], 0)}, []string{segment(0, 0, 1, 0, 0)}))
	if _, s := do(t, units[1], n, ask, nil); s != badField(2) {
		t.Errorf("of one that is not held: %v", s)
	}
	do(t, units[1], n, copyCDB, copyOf(t, 7, 0, []string{byID(units[0], 0)}, []string{segment(0, 0, 1, 0, 0), segment(0, 1, 1, 0, 0)}))
	if b, s := do(t, units[1], n, ask, nil); !s.OK() || !bytes.Equal(b, unhex(t, "00000008 02 0001 01 00000000")) {
		t.Errorf("of one that failed: %v % x", s, b)
	}
	for id := range byte(maxCopies + 3) {
		do(t, units[0], n, copyCDB, copyOf(t, id, 0, nil, nil))
	}
	if len(n.copies.list) != maxCopies {
		t.Errorf("%d copies are remembered", len(n.copies.list))
	}
}

func TestExtendedCopyRefused(t *testing.T) {
	units, data, n := pair(t)
	one, two := byID(units[0], 0), byID(units[1], 0)
	other := "e4 00 0000 01 03 00 08 3000000000000000" + string(hexOf(make([]byte, 12))) + "00 000200"
	good := segment(0, 0, 1, 0, 8)
	many := make([]string, maxCopySegments+1)
	for i := range many {
		many[i] = good
	}
	long := copyOf(t, 1, 0, []string{one}, []string{good})
	for name, c := range map[string]struct {
		list []byte
		want Sense
	}{
		"cut in the header":   {long[:15], paramListLength},
		"cut in a target":     {long[:40], paramListLength},
		"cut in a segment":    {long[:len(long)-1], paramListLength},
		"targets":             {copyOf(t, 1, 0, []string{one, two, one}, []string{good}), tooManyTargets},
		"segments":            {copyOf(t, 1, 0, []string{one}, many), tooManySegments},
		"type of target":      {copyOf(t, 1, 0, []string{"e0" + one[2:]}, []string{good}), unknownTarget},
		"type of segment":     {copyOf(t, 1, 0, []string{one}, []string{"03 00 0008"}), unknownSegment},
		"length of a segment": {copyOf(t, 1, 0, []string{one}, []string{"02 00 0017" + good[10:]}), paramListLength},
		"part of a target":    {copyOf(t, 1, 0, []string{"e4 00"}, nil), paramListLength},
		"inline data":         {append(long[:15:15], 1), inlineData},
		"index":               {copyOf(t, 1, 0, []string{one}, []string{segment(0, 1, 1, 0, 8)}), copyUnreachable},
		"a stranger":          {copyOf(t, 1, 0, []string{other}, []string{good}), copyUnreachable},
		"designator too long": {copyOf(t, 1, 0, []string{"e4 00 0000 01 03 00 ff" + other[23:]}, []string{good}), copyUnreachable},
		"beyond the source":   {copyOf(t, 1, 0, []string{one}, []string{segment(0, 0, 2, 2047, 0)}), copyAborted},
		"beyond the end":      {copyOf(t, 1, 0, []string{one}, []string{segment(0, 0, 2, 0, 2047)}), copyAborted},
		"overflow":            {copyOf(t, 1, 0, []string{one}, []string{segment(0, 0, 2, 0, 1<<64-1)}), copyAborted},
	} {
		if _, s := do(t, units[0], n, copyCDB, c.list); s != c.want {
			t.Errorf("%s: %v, want %v", name, s, c.want)
		}
	}
	if !bytes.Equal(data[0].data, bytes.Repeat([]byte{1}, 1<<20)) {
		t.Error("something was copied")
	}
	// The other disk's reservations and protection count, too.
	holder := n.target.Join(Initiator{Port: "iqn.holder,i,0x01"})
	do(t, units[1], holder, "16", nil)
	for _, g := range []string{segment(0, 1, 1, 0, 0), segment(1, 0, 1, 0, 0)} {
		if _, s := do(t, units[0], n, copyCDB, copyOf(t, 1, 0, []string{one, two}, []string{g})); s != copyRefused {
			t.Errorf("a reserved disk: %v", s)
		}
	}
	holder.Leave()
	units[1].modes.Store(modeWCE | modeSWP)
	if _, s := do(t, units[0], n, copyCDB, copyOf(t, 1, 0, []string{one, two}, []string{segment(0, 1, 1, 0, 0)})); s != softwareProtected {
		t.Errorf("a protected disk: %v", s)
	}
}

// FuzzExtendedCopy reads any parameter list; nothing is written beyond a disk.
func FuzzExtendedCopy(f *testing.F) {
	f.Add(unhex(f, "01 00 0020 00000000 0000001c 00000000"), byte(0), uint64(4))
	f.Fuzz(func(t *testing.T, head []byte, which byte, lba uint64) {
		units, _, n := pair(t)
		body := copyOf(t, 1, 0, []string{byID(units[0], int(which%3)), byID(units[1], 0)}, []string{segment(0, 1, lba%70000, lba, lba>>1)})
		copy(body, head)
		do(t, units[0], n, copyCDB, body)
	})
}
