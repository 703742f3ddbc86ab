package cow

import (
	"bytes"
	"encoding/hex"
	"errors"
	"reflect"
	"strings"
	"testing"

	"bootes.dev/internal/block"
	"github.com/google/uuid"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	p, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

var recordTable = []struct {
	name string
	rec  record
	hex  string
}{
	{"set here", record{Type: recSet, State: here, Epoch: 2, Count: 8, Seq: 0x0102, Arg: 0x4000},
		`7f71af39 01 01 0000 02000000 08000000 0201000000000000 0040000000000000`},
	{"set zero", record{Type: recSet, State: zero, Epoch: 1, Count: maxCount, Seq: 1, Arg: 0},
		`ac0fd8e2 01 02 0000 01000000 ffffffff 0100000000000000 0000000000000000`},
	{"commit", record{Type: recCommit, Epoch: 3, Seq: 10, Arg: 9},
		`44ad241e 02 00 0000 03000000 00000000 0a00000000000000 0900000000000000`},
	{"data", record{Type: recData, Sectors: 8, Epoch: 3, Count: 0x0a0b0c0d, Seq: 11, Arg: 0x40},
		`f5b33717 04 00 0800 03000000 0d0c0b0a 0b00000000000000 4000000000000000`},
	{"carry", record{Type: recCarry, Epoch: 3, Seq: 12, Arg: 9},
		`3d468859 05 00 0000 03000000 00000000 0c00000000000000 0900000000000000`},
	{"void", record{Type: recVoid, Epoch: 3, Seq: 11},
		`73523a45 03 00 0000 03000000 00000000 0b00000000000000 0000000000000000`},
}

func TestRecord(t *testing.T) {
	for _, c := range recordTable {
		if got := c.rec.appendTo(nil, 0); !bytes.Equal(got, unhex(t, c.hex)) {
			t.Errorf("%s: encoded as\n%x, want\n%x", c.name, got, unhex(t, c.hex))
		}
		if got, ok := decodeRecord(unhex(t, c.hex), 0); !ok || got != c.rec {
			t.Errorf("%s: decoded as %+v, %v", c.name, got, ok)
		}
	}
	p := recordTable[0].rec.appendTo(nil, 0)
	for i := range p {
		p[i] ^= 0x10
		if _, ok := decodeRecord(p, 0); ok {
			t.Errorf("a flipped bit in byte %d goes unnoticed", i)
		}
		p[i] ^= 0x10
	}
}

// put places records in a ring as the writer does.
func put(ring []byte, pos int64, epoch uint32, seq uint64, recs ...record) (int64, uint64) {
	for _, r := range recs {
		seq++
		r.Epoch, r.Seq = epoch, seq
		r.appendTo(ring[pos:pos:len(ring)], 0)
		pos = (pos + r.step(pos)) % int64(len(ring))
	}
	return pos, seq
}

func set(b uint64) record       { return record{Type: recSet, State: here, Count: 1, Arg: b} }
func commit(upTo uint64) record { return record{Type: recCommit, Arg: upTo} }
func blocks(rs []record) []uint64 {
	var list []uint64
	for _, r := range rs {
		list = append(list, r.Arg)
	}
	return list
}

func TestReplay(t *testing.T) {
	const size = 4 * sectorSize
	for _, c := range []struct {
		name              string
		start             int64
		write             func(ring []byte)
		durable, unstable []uint64
		seq               uint64
	}{
		{"empty", 0, func([]byte) {}, nil, nil, 5},
		{"unstable only", 0, func(r []byte) { put(r, 0, 7, 5, set(1), set(2)) }, nil, []uint64{1, 2}, 7},
		{"commit covers what came before its delta", 0, func(r []byte) { put(r, 0, 7, 5, set(1), set(2), set(3), commit(7)) }, []uint64{1, 2}, []uint64{3}, 9},
		{"next sector after a commit", 0, func(r []byte) { put(r, 0, 7, 5, set(1), commit(6), set(2)) }, []uint64{1}, []uint64{2}, 8},
		{"around the end", size - 64, func(r []byte) { put(r, size-64, 7, 5, set(1), set(2), set(3)) }, nil, []uint64{1, 2, 3}, 8},
		{"a commit ends the ring's last sector", size - 64, func(r []byte) { put(r, size-64, 7, 5, set(1), commit(6), set(3)) }, []uint64{1}, []uint64{3}, 8},
		{"void", 0, func(r []byte) { put(r, 0, 7, 5, set(1), commit(6), set(2), record{Type: recVoid}) }, []uint64{1}, nil, 9},
		{"another epoch behind a torn sector", 0, func(r []byte) {
			put(r, 0, 6, 5, set(9), set(9), set(9))
			put(r, 0, 7, 5, set(1), set(2))
		}, nil, []uint64{1, 2}, 7},
		{"the lap before", 0, func(r []byte) {
			put(r, 0, 7, 3, set(9), set(9), set(9), set(9))
			put(r, 0, 7, 5, set(1))
		}, nil, []uint64{1}, 6},
		{"a sector lost in the middle", 0, func(r []byte) {
			put(r, 0, 7, 5, set(1), commit(6), set(2), commit(8), set(3))
			clear(r[sectorSize : 2*sectorSize])
		}, []uint64{1}, nil, 7},
	} {
		t.Run(c.name, func(t *testing.T) {
			ring := make([]byte, size)
			c.write(ring)
			got, err := replay(ring, c.start, 7, 5, 100, 0)
			if err != nil {
				t.Fatal(err)
			}
			if d, u := blocks(got.durable), blocks(got.unstable); !reflect.DeepEqual(d, c.durable) || !reflect.DeepEqual(u, c.unstable) || got.seq != c.seq {
				t.Errorf("durable %v, unstable %v, seq %d; want %v, %v, %d", d, u, got.seq, c.durable, c.unstable, c.seq)
			}
		})
	}
}

// carry puts what a small flush writes: one sector each, filled with a byte.
func carry(ring []byte, pos int64, seq, upTo uint64, sectors ...byte) {
	b := new(batch)
	for _, x := range sectors {
		b.add(bytes.Repeat([]byte{x}, sectorSize), int64(x)*sectorSize)
	}
	b.seal(7, 0, seq, upTo)
	n := copy(ring[pos:], b.buf)
	copy(ring, b.buf[n:])
}

func TestReplayOfCarriedData(t *testing.T) {
	const size = 8 * sectorSize
	for _, c := range []struct {
		name    string
		start   int64
		write   func(ring []byte)
		carried []byte
		durable []uint64
		seq     uint64
		voided  bool
	}{
		{"a small flush", 0, func(r []byte) {
			put(r, 0, 7, 5, set(1))
			carry(r, 32, 6, 6, 10, 11)
		}, []byte{10, 11}, []uint64{1}, 9, false},
		{"around the end", size - 96, func(r []byte) {
			put(r, size-96, 7, 5, set(1))
			carry(r, size-64, 6, 6, 10, 11)
		}, []byte{10, 11}, []uint64{1}, 9, false},
		{"torn", 0, func(r []byte) {
			put(r, 0, 7, 5, set(1))
			carry(r, 32, 6, 6, 10, 11)
			r[2*sectorSize] ^= 1
		}, nil, nil, 7, false},
		{"without its end", 0, func(r []byte) {
			carry(r, 0, 5, 5, 10)
			clear(r[sectorSize+32:])
		}, nil, nil, 6, false},
		{"two of them", 0, func(r []byte) {
			carry(r, 0, 5, 5, 10)
			carry(r, 2*sectorSize, 7, 5, 11)
		}, []byte{10, 11}, nil, 9, false},
		{"a commit ends it", 0, func(r []byte) {
			carry(r, 0, 5, 5, 10)
			put(r, 2*sectorSize, 7, 7, set(1), commit(8))
			carry(r, 3*sectorSize, 9, 9, 11)
		}, []byte{11}, []uint64{1}, 11, false},
		{"a void does not", 0, func(r []byte) {
			carry(r, 0, 5, 5, 10)
			put(r, 2*sectorSize, 7, 7, record{Type: recVoid})
		}, []byte{10}, nil, 8, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			ring := make([]byte, size)
			c.write(ring)
			got, err := replay(ring, c.start, 7, 5, 100, 0)
			if err != nil {
				t.Fatal(err)
			}
			var carried []byte
			for _, x := range got.carried {
				if x.off != int64(x.data[0])*sectorSize || !bytes.Equal(x.data, bytes.Repeat(x.data[:1], sectorSize)) {
					t.Errorf("%x… at %d", x.data[:4], x.off)
				}
				carried = append(carried, x.data[0])
			}
			if !bytes.Equal(carried, c.carried) || !reflect.DeepEqual(blocks(got.durable), c.durable) || got.seq != c.seq || got.voided != c.voided {
				t.Errorf("carried %v, durable %v, seq %d, voided %v", carried, blocks(got.durable), got.seq, got.voided)
			}
		})
	}
}

func TestReplayRefusesTheImpossible(t *testing.T) {
	for name, r := range map[string]record{
		"beyond the disk": {Type: recSet, State: here, Count: 2, Arg: 99},
		"overflow":        {Type: recSet, State: here, Count: 1, Arg: 1<<64 - 1},
		"no blocks":       {Type: recSet, State: here, Arg: 1},
		"state below":     {Type: recSet, State: below, Count: 1},
		"future commit":   {Type: recCommit, Arg: 99},
		"future carry":    {Type: recCarry, Arg: 99},
		"no data":         {Type: recData, Arg: 1},
		"data beyond":     {Type: recData, Sectors: 1, Arg: 800},
		"too much data":   {Type: recData, Sectors: 2, Arg: 1},
		"unknown type":    {Type: 9},
	} {
		ring := make([]byte, sectorSize)
		put(ring, 0, 7, 5, r)
		if _, err := replay(ring, 0, 7, 5, 100, 0); !errors.Is(err, block.ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestDirectory(t *testing.T) {
	d := &directory{
		header{Gen: 3, Blocks: 2*pageBlocks + 1, Seq: 9, Start: 64, LogSize: 1024, Epoch: 4, Boot: bootID{0xB0, 15: 0x0F}, ID: uuid.UUID{0x1D, 15: 0xD1}, Here: 7},
		[]entry{{Kind: kindZero}, {Kind: kindB, CRC: 0x01020304}, {Kind: kindBelow}},
	}
	p := d.AppendBinary(nil)
	want := unhex(t, `
		4254434f574d4150 02000000 dc986827
		0300000000000000 0180000000000000 0900000000000000 4000000000000000 0004000000000000
		04000000 00000000 b000000000000000000000000000000f
		1d0000000000000000000000000000d1 0700000000000000 000000000000000000000000000000000000000000000000
		02000000 00000000  04000000 04030201  00000000 00000000`)
	if !bytes.Equal(p[:len(want)], want) || len(p) != pageBytes {
		t.Fatalf("encoded as %d bytes\n%x, want\n%x", len(p), p[:len(want)], want)
	}
	got, err := decodeDirectory(p, d.ID, 2*pageBlocks+1)
	if err != nil || !reflect.DeepEqual(got, d) {
		t.Fatalf("decoded as %+v, %v", got, err)
	}
	for _, i := range []int{0, 12, 20, 60, 70, 90, 97, 119, 130, 4095} {
		p[i] ^= 1
		if _, err := decodeDirectory(p, d.ID, 2*pageBlocks+1); !errors.Is(err, block.ErrCorrupt) {
			t.Errorf("flipped bit in byte %d: %v", i, err)
		}
		p[i] ^= 1
	}
	if _, err := decodeDirectory(p, uuid.UUID{2}, 2*pageBlocks+1); !errors.Is(err, block.ErrCorrupt) || !strings.Contains(err.Error(), "belongs to 1d000000-") {
		t.Errorf("map of another layer: %v", err)
	}
	p[8] = 3
	if _, err := decodeDirectory(p, d.ID, 2*pageBlocks+1); !errors.Is(err, ErrVersion) || !strings.Contains(err.Error(), "format 3") {
		t.Errorf("newer version: %v", err)
	}
}

func TestMeta(t *testing.T) {
	m := volumeMeta{ID: "v", Base: "b", Size: 4096, Boot: bootID{1}, Snapshots: []snapshotMeta{{Name: "s", Layer: "l"}}}
	p, err := encodeMeta(m)
	if err != nil {
		t.Fatal(err)
	}
	var got volumeMeta
	if err := decodeMeta(p, &got); err != nil || !reflect.DeepEqual(got, m) {
		t.Fatalf("%+v, %v", got, err)
	}
	p[len(p)-3] ^= 1
	if err := decodeMeta(p, &got); !errors.Is(err, block.ErrCorrupt) {
		t.Errorf("flipped bit: %v", err)
	}
	if err := decodeMeta([]byte("bootes-cow 1 00000000\n{}"), &got); !errors.Is(err, ErrVersion) || !strings.Contains(err.Error(), "format 1, and this program knows format 2") {
		t.Errorf("another version: %v", err)
	}
}

func FuzzReplay(f *testing.F) {
	for _, c := range recordTable {
		f.Add(append(c.rec.appendTo(nil, 0), make([]byte, sectorSize-recordSize)...), int64(0), uint32(c.rec.Epoch), c.rec.Seq-1)
	}
	ring := make([]byte, 4*sectorSize)
	carry(ring, 0, 5, 5, 1, 2)
	f.Add(ring, int64(0), uint32(7), uint64(5))
	f.Fuzz(func(t *testing.T, ring []byte, start int64, epoch uint32, seq uint64) {
		res, err := replay(ring, start, epoch, seq, 1000, 0)
		if err != nil {
			return
		}
		for _, x := range res.carried {
			if x.off < 0 || x.off+int64(len(x.data)) > 1000*BlockSize || len(x.data) > len(ring) {
				t.Errorf("carried: %d bytes at %d", len(x.data), x.off)
			}
		}
		m := newPresence(1000)
		for _, r := range append(res.durable, res.unstable...) {
			m.set(int64(r.Arg), int64(r.Count), r.State)
		}
		if len(ring) > 0 && (res.pos < 0 || res.pos >= int64(len(ring))) {
			t.Errorf("next position %d in a ring of %d", res.pos, len(ring))
		}
	})
}

func FuzzDirectory(f *testing.F) {
	d := &directory{header{Blocks: 100}, make([]entry, 1)}
	f.Add(d.AppendBinary(nil), int64(100))
	f.Fuzz(func(t *testing.T, p []byte, blocks int64) {
		d, err := decodeDirectory(p, uuid.UUID{}, blocks)
		if err != nil {
			return
		}
		again, err := decodeDirectory(d.AppendBinary(nil), uuid.UUID{}, blocks)
		if err != nil || !reflect.DeepEqual(d, again) {
			t.Errorf("%+v came back as %+v, %v", d, again, err)
		}
	})
}

func FuzzPage(f *testing.F) {
	f.Add(make([]byte, pageBytes), uint32(0))
	f.Fuzz(func(t *testing.T, b []byte, crc uint32) {
		var in, out [pageBytes]byte
		copy(in[:], b)
		p, err := decodePage(&in, entry{kindA, crc})
		if err != nil {
			return
		}
		if p.encode(&out); in != out {
			t.Error("page changed on its way")
		}
	})
}

func FuzzMeta(f *testing.F) {
	p, _ := encodeMeta(layerMeta{ID: "x", Size: 512})
	f.Add(p)
	f.Add([]byte("bootes-cow 2 00000000\n{}"))
	f.Fuzz(func(t *testing.T, p []byte) {
		for _, v := range []any{new(layerMeta), new(volumeMeta), new(engineMeta)} {
			if err := decodeMeta(p, v); err != nil {
				continue
			}
			switch m := v.(type) {
			case *volumeMeta:
				if m.check(m.ID) == nil && (m.Size <= 0 || m.Clip < 0 || m.Base != "" && !isUUID(m.Base) || m.Overlay != "" && !isUUID(m.Overlay)) {
					t.Errorf("accepted %+v", m)
				}
			case *layerMeta:
				if m.check(m.ID) == nil && (m.Size <= 0 || m.Clip < 0 || !isUUID(m.ID) || m.Parent != "" && !isUUID(m.Parent)) {
					t.Errorf("accepted %+v", m)
				}
			}
		}
	})
}

func TestOwner(t *testing.T) {
	id := uuid.UUID{0x1D, 15: 0xD1}
	p := encodeOwner(dataMagic, id, 8192)
	want := unhex(t, `4254434f57444154 02000000 00000000 1d0000000000000000000000000000d1 0020000000000000`)
	copy(want[12:16], p[12:16])
	if !bytes.Equal(p[:ownerUsed], want) || len(p) != sectorSize || !isZero(p[ownerUsed:]) {
		t.Errorf("encoded as\n%x, want\n%x", p[:ownerUsed], want)
	}
	if err := decodeOwner(p, dataMagic, id, 8192); err != nil {
		t.Error(err)
	}
	for i := range ownerUsed {
		p[i] ^= 1
		if decodeOwner(p, dataMagic, id, 8192) == nil {
			t.Errorf("flipped bit in byte %d goes unnoticed", i)
		}
		p[i] ^= 1
	}
	if err := decodeOwner(p, dataMagic, uuid.UUID{}, 8192); !errors.Is(err, block.ErrCorrupt) || !strings.Contains(err.Error(), "belongs to 1d000000") {
		t.Errorf("another owner: %v", err)
	}
	for _, err := range []error{decodeOwner(p, dataMagic, id, 4096), decodeOwner(p, journalMagic, id, 8192)} {
		if !errors.Is(err, block.ErrCorrupt) {
			t.Errorf("another file: %v", err)
		}
	}
}

func FuzzOwner(f *testing.F) {
	f.Add(encodeOwner(dataMagic, uuid.UUID{1}, 4096), int64(4096))
	f.Fuzz(func(t *testing.T, p []byte, size int64) {
		if decodeOwner(p, dataMagic, uuid.UUID{1}, size) == nil && !bytes.Equal(p[:ownerUsed], encodeOwner(dataMagic, uuid.UUID{1}, size)[:ownerUsed]) {
			t.Errorf("accepted %x for %d bytes", p, size)
		}
	})
}
