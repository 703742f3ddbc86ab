package boot

import (
	"encoding/hex"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/google/uuid"

	"bootes.dev/internal/inventory"
	"bootes.dev/internal/recorder"
)

// firmwareUUID is option 97's UUID as text; "" if there is none, or one that many
// boards have.
func firmwareUUID(u [16]byte) string { return inventory.RealUUID(uuid.UUID(u).String()) }

// noLongMode is what iPXE says of a processor that has no 64-bit mode.
const noLongMode = "lm=0"

// lacksLongMode notes that a machine that boots has no 64-bit mode, before its
// system finds that out, and halts.
func (s *Service) lacksLongMode(machine string) {
	if a := s.attempts.scripted(machine, s.now()); a != nil {
		s.attempts.with(a, func() { a.seen.Firmware.NoLongMode = true })
		s.sayOnce(a, recorder.Event{Level: recorder.Warn, Text: "its processor has no 64-bit mode: a system for x86-64 (amd64) halts there"})
	}
}

// hardware is what iPXE has said of its machine. See ipxe.Ask.
func hardware(f url.Values) inventory.Hardware {
	h := inventory.Hardware{
		UUID: inventory.RealUUID(f.Get("uuid")), Serial: inventory.RealSerial(f.Get("serial")),
		Manufacturer: f.Get("manufacturer"), Product: f.Get("product"), NIC: nic(f.Get("chip"), f.Get("bus")),
	}
	for name := range f {
		if strings.HasPrefix(name, "m") && len(name) == 2 {
			h.Memory += module(f.Get(name), f.Get("x"+name[1:]))
		}
	}
	return h
}

// nic names a card by its driver's name for the chip and, of a PCI card, its
// vendor and device: "01:8086:100e".
func nic(chip, bus string) string {
	b, err := hex.DecodeString(strings.NewReplacer(":", "", "-", "").Replace(bus))
	if err == nil && len(b) == 5 && b[0] == 1 {
		return strings.TrimSpace(fmt.Sprintf("%s %x:%x", chip, b[1:3], b[3:5]))
	}
	return chip
}

// module is the size in bytes of a memory module, by SMBIOS type 17: 16 bits at
// offset 12 in MiB, or in KiB if the highest is set; all of them are set if it is
// not known, and 7fff refers to the 32 bits at offset 28, in MiB.
func module(size, extended string) int64 {
	n, ok := little(size, 2)
	switch {
	case !ok || n == 0xffff:
		return 0
	case n == 0x7fff:
		n, _ = little(extended, 4)
		return n & 0x7fffffff << 20
	case n&0x8000 != 0:
		return n & 0x7fff << 10
	}
	return n << 20
}

// little reads a number of size bytes from hex digits, the lowest byte first.
func little(digits string, size int) (n int64, ok bool) {
	b, err := hex.DecodeString(digits)
	if err != nil || len(b) != size {
		return 0, false
	}
	for _, c := range slices.Backward(b) {
		n = n<<8 | int64(c)
	}
	return n, true
}

// describe is a computer in words, as far as its firmware says what it is.
func describe(h inventory.Hardware) string {
	text := strings.TrimSpace(h.Manufacturer + " " + h.Product)
	if h.Serial != "" {
		text = strings.TrimSpace(text + " serial " + h.Serial)
	}
	return text
}
