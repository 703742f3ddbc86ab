package scsi

import (
	"bytes"
	"encoding/hex"
	"math/rand/v2"
	"strings"
	"testing"
)

func answer(t testing.TB, d *Disk, s string) ([]byte, Sense) {
	t.Helper()
	var c Command
	if sense := decode(d, cdb(t, s), &c); !sense.OK() {
		return nil, sense
	}
	return d.Answer(&c, nil)
}

func TestAnswers(t *testing.T) {
	d, _ := newRAM()
	readOnly := NewDisk(ReadOnlyBytes(make([]byte, 5000)), Identity{Vendor: "BOOTES", Product: "IDENTITY", ReadOnly: true})
	serial := hex.EncodeToString([]byte("vol-17"))
	for _, c := range []struct {
		name string
		d    *Disk
		cdb  string
		want string
	}{
		{"capacity 10", d, "25", "000007ff 00000200"},
		{"capacity 16", d, "9e 10 0000000000000000 00000020", "00000000000007ff 00000200 00 03 c0 00" + strings.Repeat("00", 16)},
		{"capacity 16 cut", d, "9e 10 0000000000000000 0000000c", "00000000000007ff 00000200"},
		{"capacity of read-only", readOnly, "9e 10 0000000000000000 00000010", "000000000000000f 00000200 00 03 00 00"},
		{"LBA status", d, "9e 12 0000000000000008 00000018", "00000014 00000000 0000000000000008 000007f8 00 000000"},
		{"inquiry", d, "12 00 00 00 24", "00 00 06 12 5b 18 00 02 424f4f5445532020 4449534b202020202020202020202020 302e3120"},
		{"inquiry of nobody", Absent, "12 00 00 00 08", "7f 00 06 12 5b 00 00 02"},
		{"VPD list", d, "12 01 00 00 ff", "00 00 0007 00 80 83 86 b0 b1 b2"},
		{"VPD serial", d, "12 01 80 00 ff", "00 80 0006" + serial},
		{"VPD identifiers", d, "12 01 83 00 ff", "00 83 0032  01 03 00 08 39aabbccddeeff00  01 02 00 10 112233445566778899aabbccddeeff00  02 01 00 0e 424f4f5445532020" + serial},
		{"VPD extended", d, "12 01 86 00 ff", "00 86 003c 00 07 01 01" + strings.Repeat("00", 56)},
		{"target port groups", d, "a3 0a 00 00 0000 000000ff", "0000000c 00 01 0001 00 00 00 01 00000001"},
		{"target port groups, extended", d, "a3 2a 00 00 0000 000000ff", "00000010 10000000 00 01 0001 00 00 00 01 00000001"},
		{"task management functions", d, "a3 0d 00 00 0000 000000ff", "d8 00 00 00"},
		{"task management functions, extended", d, "a3 0d 80 00 0000 000000ff", "d8 00 00 0c" + strings.Repeat("00", 12)},
		{"defects 10", d, "37 00 1d 00 00 00 00 00ff 00", "00 1d 0000"},
		{"defects 12", d, "b7 0d 00 00 00 00 000000ff 00 00", "00 0d 0000 00000000"},
		{"self-test", d, "1d 04 00 0000 00", ""},
		{"copy parameters", d, "84 03 00 00 00000000 0000 000000ff", "0000002a 00000000 0002 0010 00000400 01fffe00" +
			strings.Repeat("00", 14) + "0008 08 09 00000000 00 02 02 e4"},
		{"VPD limits", d, "12 01 b0 00 40", "00 b0 003c 01 80 0008 00000000 00000200 00000000 00100000 00000100 00000008 80000000 0000000000800000" + strings.Repeat("00", 20)},
		{"VPD provisioning", d, "12 01 b2 00 40", "00 b2 0004 00 e4 02 00"},
		{"VPD provisioning of read-only", readOnly, "12 01 b2 00 40", "00 b2 0004 00 00 00 00"},
		{"mode sense 6 caching", d, "1a 08 08 00 ff", "17 00 10 00 08 12 04" + strings.Repeat("00", 17)},
		{"mode sense 6 descriptor", d, "1a 00 0a 00 ff", "17 00 10 08 00000800 00000200 0a 0a 00 10" + strings.Repeat("00", 8)},
		{"mode sense 10 changeable", d, "5a 08 48 00 000000 00ff 00", "001a 00 10 00 00 0000 08 12 04" + strings.Repeat("00", 17)},
		{"mode sense 6 control, changeable", d, "1a 08 4a 00 ff", "0f 00 10 00 0a 0a 04 00 08 00000000000000"},
		{"log sense", d, "4d 00 40 00 00 0000 00ff 00", "00 00 0001 00"},
		{"log sense with subpages", d, "4d 00 40 ff 00 0000 00ff 00", "40 ff 0004 0000 00ff"},
		{"mode sense read-only", readOnly, "1a 08 08 00 04", "17 00 90 00"},
		{"request sense", d, "03 00 00 00 12", "70 00 00 00000000 0a 00000000 00 00 00 000000"},
		{"request sense, descriptors", d, "03 01 00 00 12", "72 00 00 00 00000000"},
		{"request sense of nobody", Absent, "03 00 00 00 12", "70 00 05 00000000 0a 00000000 25 00 00 000000"},
		{"report LUNs", d, "a0 00 00 000000 00000100", "00000010 00000000 0000000000000000 0001000000000000"},
		{"report well-known LUNs", d, "a0 00 01 000000 00000100", "00000000 00000000"},
		{"one opcode", d, "a3 0c 01 28 0000 00000040", "00 03 000a 28 f8 ffffffff 00 ffff 00"},
		{"one opcode with action", d, "a3 0c 02 9e 0010 00000008", "00 03 0010 9e 10 ff ff"},
		{"an unknown opcode", d, "a3 0c 01 ff 0000 00000040", "00 01 0000"},
		{"an unknown action", d, "a3 0c 02 9e 0013 00000040", "00 01 0000"},
	} {
		got, sense := answer(t, c.d, c.cdb)
		if want := unhex(t, c.want); !sense.OK() || !bytes.Equal(got, want) {
			t.Errorf("%s: %v\n got % x\nwant % x", c.name, sense, got, want)
		}
	}
}

func TestRefusedAnswers(t *testing.T) {
	d, _ := newRAM()
	for s, want := range map[string]Sense{
		"12 00 80 00 24":                     badField(2), // page without EVPD
		"12 02 00 00 24":                     badField(1),
		"12 01 99 00 24":                     badField(2),
		"1a 00 c8 00 ff":                     savingUnsupported,
		"1a 00 07 00 ff":                     badField(2),
		"1a 00 08 01 ff":                     badField(3),
		"25 00 00000001":                     badField(2),
		"a0 00 00 000000 0000000f":           badField(6),
		"1a 00 1c 02 ff":                     badField(3),
		"15 10 00 00 00":                     {},
		"15 00 00 00 10":                     badField(1),
		"15 11 00 00 10":                     badField(1),
		"1d 00 00 0000 00":                   badField(1),
		"1d 04 00 0001 00":                   badField(3),
		"84 00 05 00 00000000 0000 000000ff": badField(2),
		"84 04 05 00 00000000 0000 000000ff": badField(1),
		"83 00 00 00 00000000 0000 0000000f": paramListLength,
		"83 00 00 00 00000000 0000 00000411": paramListLength,
		"83 01 00 00 00000000 0000 00000000": badField(1),
		"a3 4a 00 00 0000 000000ff":          badField(1),
		"4d 01 40 00 00 0000 00ff":           badField(1),
		"4d 00 42 00 00 0000 00ff":           badField(2),
		"4d 00 4c 00 00 0000 00ff":           badField(2),
		"4d 00 40 01 00 0000 00ff":           badField(3),
		"4d 00 40 00 00 0001 00ff":           badField(5),
		"a3 0c 01 9e 0000 00000040":          badField(2),
		"1b 00 00 00 02":                     badField(4),
	} {
		if _, got := answer(t, d, s); got != want {
			t.Errorf("%s: %v, want %v", s, got, want)
		}
	}
	for s, want := range map[string]Sense{"00": noUnit, "28": noUnit, "ff": noUnit, "12 01 00 00 ff": noUnit} {
		if _, got := answer(t, Absent, s); got != want {
			t.Errorf("absent, %s: %v, want %v", s, got, want)
		}
	}
}

// REPORT SUPPORTED OPERATION CODES is true: no bit that it does not declare
// makes a difference. Except NACA, which is looked at to be refused.
func TestUsageIsTrue(t *testing.T) {
	disk, _ := newRAM()
	for _, op := range supported() {
		usageIsTrue(t, disk, &op)
	}
	for _, op := range discSupported() {
		usageIsTrue(t, disc(2048), &op)
	}
}

func usageIsTrue(t *testing.T, d *Disk, op *operation) {
	rng := rand.New(rand.NewPCG(1, 2))
	n := NewTarget("", map[uint8]*Disk{0: d}).Join(Initiator{})
	for range 2000 {
		var plain, noisy CDB
		for i := range len(op.usage) {
			noise, mask := byte(rng.Uint32()), op.usage[i]
			if i == 0 || i == serviceActionField && op.has {
				plain[i], noisy[i] = mask, mask // the code and the service action
				if i > 0 {
					flags := mask &^ serviceActionMask
					plain[i] = op.action | noise&flags
					noisy[i] = op.action | noise&^serviceActionMask
				}
				continue
			}
			if i > 1 && rng.IntN(4) > 0 { // or nothing would be in range
				noise &= ^mask
			}
			plain[i], noisy[i] = noise&mask, noise
		}
		noisy[len(op.usage)-1] &^= 0x04
		plain[len(op.usage)-1] &^= 0x04
		var a, b Command
		first, second := d.Decode(n, 0, &plain, &a), d.Decode(n, 0, &noisy, &b)
		if first != second || a.Kind != b.Kind || a.Length != b.Length || a.offset != b.offset || a.span != b.span || a.fua != b.fua {
			t.Errorf("operation %02x: % x gives %v, % x gives %v", op.code, plain, first, noisy, second)
			break
		}
	}
}

// Every operation in the table reports itself with a usage map of its length.
func TestOperationTable(t *testing.T) {
	lengths := map[byte]int{0: 6, 1: 10, 2: 10, 4: 16, 5: 12}
	n := 0
	for i := range 2 * len(diskCommands) {
		code, op := i%256, diskCommands[i%256]
		if i != code {
			op = discCommands[code]
		}
		for ; op != nil; op = op.next {
			n++
			if int(op.code) != code || op.usage[0] != op.code || len(op.usage) != lengths[op.code>>5] {
				t.Errorf("operation %02x: usage % x", code, op.usage)
			}
			if op.has && op.usage[1]&serviceActionMask != op.action {
				t.Errorf("operation %02x: usage lacks service action %02x", code, op.action)
			}
		}
	}
	if want := len(supported()) + len(discSupported()); n != want {
		t.Errorf("%d operations of %d are found", n, want)
	}
}
