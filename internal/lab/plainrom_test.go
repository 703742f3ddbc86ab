package lab

import (
	"bytes"
	"testing"
)

const (
	discover  = " 35 01 01"
	userClass = " 4d 04 69 50 58 45" // 77: iPXE
	etherboot = " af 03 b1 01 02"    // 175
	arch      = " 5d 02 00 00"
)

func TestPlainROMHides(t *testing.T) {
	for _, tt := range []struct{ name, options, want string }{
		{"both", discover + userClass + arch + etherboot + " ff", discover + arch + " ff" + "00 00 00 00 00 00 00 00 00 00 00"},
		{"nothing to hide", discover + arch + " ff", discover + arch + " ff"},
		{"padding between", discover + " 00 00" + etherboot + " ff", discover + " ff" + " 00 00 00 00 00 00 00"},
		{"no end", discover + userClass, discover + " ff 00 00 00 00 00"},
		{"length beyond the end", discover + " 4d 09 69", discover + " 4d 09 69"},
		{"code without length", discover + " 4d", discover + " 4d"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := pass(t, new(PlainROM), dhcpFrame(t, tt.options))
			if want := dhcpFrame(t, tt.want); !bytes.Equal(got, want) {
				t.Errorf("got  % x\nwant % x", got[ethernetLen:], want[ethernetLen:])
			}
		})
	}
}

func TestPlainROMEndsWithTFTP(t *testing.T) {
	p := new(PlainROM)
	message := discover + etherboot + " ff"
	rrq := unhex(t, etherHeader+`
		45 00 00 2a  00 00 00 00  40 11 00 00  0a 4d 00 02  0a 4d 00 01
		04 00 00 45  00 16 00 00  00 01 61 00 6f 63 74 65 74 00 00 00 00 00`)
	if got := pass(t, p, dhcpFrame(t, message)); bytes.Equal(got, dhcpFrame(t, message)) {
		t.Error("the ROM's message passed unchanged")
	}
	if got := pass(t, p, bytes.Clone(rrq)); !bytes.Equal(got, rrq) {
		t.Error("the TFTP request was changed")
	}
	if got := pass(t, p, dhcpFrame(t, message)); !bytes.Equal(got, dhcpFrame(t, message)) {
		t.Error("the loader's message was changed")
	}
	p.Reset()
	if got := pass(t, p, dhcpFrame(t, message)); bytes.Equal(got, dhcpFrame(t, message)) {
		t.Error("after a power cycle the ROM's message passed unchanged")
	}
}

func TestPlainROMLeavesAnswers(t *testing.T) {
	frame := dhcpFrame(t, discover+etherboot+" ff")
	var got []byte
	new(PlainROM).Frame(ToGuest, bytes.Clone(frame), func(f []byte) { got = f })
	if !bytes.Equal(got, frame) {
		t.Error("a frame to the guest was changed")
	}
}

func pass(t *testing.T, f Filter, frame []byte) (got []byte) {
	t.Helper()
	f.Frame(FromGuest, frame, func(f []byte) {
		if got != nil {
			t.Error("frame was passed twice")
		}
		got = f
	})
	if got == nil {
		t.Fatal("frame was dropped")
	}
	return got
}

func FuzzDropOptions(f *testing.F) {
	f.Add(dhcpFrame(f, discover+userClass+etherboot+" ff")[42:])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, message []byte) {
		before := bytes.Clone(message)
		if !dropOptions(message, optUserClass, optEtherboot) {
			if !bytes.Equal(before, message) {
				t.Error("changed a message that it says it left")
			}
			return
		}
		if !bytes.Equal(before[:bootpOptions], message[:bootpOptions]) {
			t.Error("changed the fixed part")
		}
		if again := bytes.Clone(message); dropOptions(again, optUserClass, optEtherboot) && !bytes.Equal(again, message) {
			t.Error("removing twice differs")
		}
	})
}
