package lab

import (
	"bytes"
	"testing"
)

const (
	full = " af 09 13 01 01 11 01 01 15 01 01" // 175: HTTP, iSCSI, TFTP
	poor = " af 09 13 01 01 7f 01 01 15 01 01"
)

func TestPoorIPXE(t *testing.T) {
	for _, tt := range []struct{ name, options, want string }{
		{"iSCSI", discover + full + " ff", discover + poor + " ff"},
		{"among others", discover + " 00" + userClass + full + arch + " ff", discover + " 00" + userClass + poor + arch + " ff"},
		{"none", discover + arch + " ff", discover + arch + " ff"},
		{"a list cut off", discover + " af 04 13 01 01 11 ff", discover + " af 04 13 01 01 11 ff"},
		{"an option cut off", discover + " af 09 11 01", discover + " af 09 11 01"},
	} {
		got := pass(t, new(PoorIPXE), dhcpFrame(t, tt.options))
		if want := dhcpFrame(t, tt.want); !bytes.Equal(got, want) {
			t.Errorf("%s:\ngot  % x\nwant % x", tt.name, got[ethernetLen:], want[ethernetLen:])
		}
	}
}

func TestPoorIPXEIsGivenAnother(t *testing.T) {
	rrq := unhex(t, etherHeader+`
		45 00 00 2a  00 00 00 00  40 11 00 00  0a 4d 00 02  0a 4d 00 01
		04 00 00 45  00 16 00 00  00 01 61 00 6f 63 74 65 74 00 00 00 00 00`)
	message := dhcpFrame(t, discover+full+" ff")
	for always, want := range map[bool][]byte{false: message, true: dhcpFrame(t, discover+poor+" ff")} {
		p := &PoorIPXE{Always: always}
		pass(t, p, bytes.Clone(rrq))
		if got := pass(t, p, bytes.Clone(message)); !bytes.Equal(got, want) {
			t.Errorf("always %v: after its file % x", always, got[ethernetLen:])
		}
		p.Reset()
		if got := pass(t, p, bytes.Clone(message)); bytes.Equal(got, message) {
			t.Errorf("always %v: after a power cycle the ROM is full", always)
		}
	}
}
