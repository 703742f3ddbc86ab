package dhcp

import (
	"bytes"
	"slices"

	"github.com/insomniacslk/dhcp/dhcpv4"
)

// piBoot is option 43 as every Raspberry Pi looks for it: discovery control (6),
// a menu prompt (10) that does not wait, and a boot menu (9) of the one entry
// "Raspberry Pi Boot" (PXE specification 2.1, table 2-1). Without it the Pi
// leaves siaddr alone.
var piBoot = slices.Concat(
	[]byte{6, 1, 3},
	[]byte{10, 4, 0}, []byte("PXE"),
	[]byte{9, 20, 0, 0, 17}, []byte("Raspberry Pi Boot"),
	[]byte{255},
)

// piUUID begins option 97 of a Pi 4 or later, after its type: "RPi4", "RPi5".
// Earlier ones repeat their serial number there.
var piUUID = []byte("\x00RPi")

// piVendors are the first bytes of the MAC addresses of Raspberry Pis (IEEE's
// registry: Raspberry Pi Foundation, Raspberry Pi Trading, Raspberry Pi Ltd).
var piVendors = [][]byte{
	{0xb8, 0x27, 0xeb}, {0xdc, 0xa6, 0x32}, {0xe4, 0x5f, 0x01}, {0x28, 0xcd, 0xc1},
	{0xd8, 0x3a, 0xdd}, {0x2c, 0xcf, 0x67}, {0x88, 0xa2, 0x9e},
}

// isRaspberryPi tells a Pi, which calls itself a BIOS (type 0), from one.
func isRaspberryPi(m *dhcpv4.DHCPv4) bool {
	if bytes.HasPrefix(m.Options[optUUID], piUUID) {
		return true
	}
	return slices.ContainsFunc(piVendors, func(v []byte) bool { return bytes.HasPrefix(m.ClientHWAddr, v) })
}
