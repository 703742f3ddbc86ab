package scsi

import "testing"

// FuzzCommand serves any CDB with any parameter list on small disks: nothing
// panics, answers keep to their allocation length, extents to the disk.
func FuzzCommand(f *testing.F) {
	for code, op := range diskCommands {
		if op != nil {
			f.Add(append([]byte{byte(code)}, make([]byte, 15)...), make([]byte, 24), byte(0))
		}
	}
	for code, op := range discCommands {
		if op != nil {
			f.Add(append([]byte{byte(code)}, make([]byte, 15)...), []byte{}, byte(2))
		}
	}
	f.Add(unhex(f, "42 00 00000000 00 0018 00"), unhex(f, "0016 0010 00000000 ffffffffffffffff ffffffff 00000000"), byte(0))
	f.Add(unhex(f, "1a 00 3f ff ff"), []byte{}, byte(1))
	f.Add(unhex(f, "15 10 00 00 18"), unhex(f, "00000000 0812 0000 00000000000000000000 00000000 0000"), byte(0))
	f.Add(unhex(f, "5f 06 00 00 00 00000018"), unhex(f, "0000000000000000 0000000000000001 00000000 00 000000"), byte(0))
	f.Fuzz(func(t *testing.T, raw, params []byte, which byte) {
		var in CDB
		copy(in[:], raw)
		d := NewDisk(&ram{data: make([]byte, 64<<10)}, testID)
		switch which % 4 {
		case 1:
			d = NewDisk(ReadOnlyBytes(make([]byte, 5000)), Identity{ReadOnly: true})
		case 2:
			d = disc(32)
		case 3:
			d, _ = big()
		}
		target := NewTarget("iqn.x,t,0x0001", map[uint8]*Disk{0: d})
		nexus, other := target.Join(Initiator{Port: "iqn.a,i,0x01"}), target.Join(Initiator{Port: "iqn.b,i,0x02"})
		for _, d := range []*Disk{d, Absent} {
			var c Command
			if s := d.Decode(nexus, 0, &in, &c); s.OK() {
				serveFuzzed(t, d, &c, params)
			}
			d.Decode(other, 0, &in, &c)
		}
		other.Leave()
		nexus.Leave()
	})
}

func serveFuzzed(t *testing.T, d *Disk, c *Command, params []byte) {
	switch c.Kind {
	case Control:
		b, _ := d.Answer(c, nil)
		if int64(len(b)) > c.Length || len(b) > MaxAnswer {
			t.Fatalf("answer of %d bytes, allocation length %d", len(b), c.Length)
		}
	case Read, Write:
		if c.Offset() < 0 || c.Length < 0 || c.Offset()+c.Length > d.dev.Size() {
			t.Fatalf("extent %d+%d", c.Offset(), c.Length)
		}
	default:
		if c.Length > 256<<10 {
			t.Fatalf("parameter list of %d bytes", c.Length)
		}
		d.Execute(c, params[:min(int64(len(params)), c.Length)])
	}
}
