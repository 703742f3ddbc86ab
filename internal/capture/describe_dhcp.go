package capture

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
)

const (
	bootRequest = 1 // op of what clients send

	// Offsets of fields (RFC 2131, 2).
	fieldYiaddr = 16
	fieldSiaddr = 20
	fieldGiaddr = 24
	fieldFile   = 108

	optRootPath    = 17 // RFC 2132, 3.19
	optRequested   = 50 // RFC 2132, 9.1
	optMessageType = 53
	optServerID    = 54
	optMessage     = 56
	optVendorClass = 60
	optServerName  = 66
	optFileName    = 67
	optUserClass   = 77 // RFC 3004
	optClientArch  = 93 // RFC 4578
)

var messageTypes = [...]string{1: "DISCOVER", 2: "OFFER", 3: "REQUEST", 4: "DECLINE", 5: "ACK", 6: "NAK", 7: "RELEASE", 8: "INFORM"}

// architectures names the common values of option 93 (IANA).
var architectures = map[uint16]string{
	0: "BIOS", 6: "UEFI IA32", 7: "UEFI x86-64", 9: "UEFI x86-64", 10: "UEFI arm32", 11: "UEFI arm64", 15: "HTTP IA32", 16: "HTTP x86-64",
	18: "HTTP arm32", 19: "HTTP arm64", 20: "HTTP BIOS", 21: "U-Boot arm32", 22: "U-Boot arm64", 41: "Raspberry Pi",
}

// dhcpText tells of a message what decides about a boot, with the numbers of
// the options.
type dhcpText []byte

func (m dhcpText) String() string {
	if len(m) < dhcpOptions {
		return "DHCP malformed message"
	}
	if m[0] == bootRequest {
		return sentence("DHCP "+m.messageType(),
			m.address("wants", optRequested), m.address("of server", optServerID), m.text("class", optVendorClass),
			m.architecture(), m.text("user class", optUserClass), m.field("through relay", fieldGiaddr))
	}
	return sentence("DHCP "+m.messageType(),
		m.field("address", fieldYiaddr), m.address("server", optServerID), m.text("class", optVendorClass), m.bootFile(),
		m.field("next server", fieldSiaddr), m.text("at", optServerName), m.text("root path", optRootPath), m.text("says", optMessage))
}

func (m dhcpText) messageType() string {
	t := dhcpOption(m, optMessageType)
	if len(t) != 1 || t[0] == 0 || int(t[0]) >= len(messageTypes) {
		return "message of no type"
	}
	return messageTypes[t[0]]
}

// text is an option that holds one.
func (m dhcpText) text(name string, number byte) string {
	v := bytes.Trim(dhcpOption(m, number), "\x00")
	if len(v) == 0 {
		return ""
	}
	return fmt.Sprintf("%s %s (%d)", name, v, number)
}

// address is an option that holds one.
func (m dhcpText) address(name string, number byte) string {
	v := dhcpOption(m, number)
	if len(v) != 4 {
		return ""
	}
	return fmt.Sprintf("%s %s (%d)", name, netip.AddrFrom4([4]byte(v)), number)
}

// field is an address in the header.
func (m dhcpText) field(name string, at int) string {
	a := netip.AddrFrom4([4]byte(m[at:]))
	if a.IsUnspecified() {
		return ""
	}
	return name + " " + a.String()
}

// bootFile is option 67, else the field file.
func (m dhcpText) bootFile() string {
	if o := m.text("boot file", optFileName); o != "" {
		return o
	}
	file, _, _ := strings.Cut(string(m[fieldFile:dhcpHeader]), "\x00")
	if file == "" {
		return ""
	}
	return "boot file " + file
}

func (m dhcpText) architecture() string {
	v := dhcpOption(m, optClientArch)
	if len(v) < 2 {
		return ""
	}
	n := binary.BigEndian.Uint16(v)
	name, known := architectures[n]
	if !known {
		name = "architecture"
	}
	return fmt.Sprintf("%s %d (%d)", name, n, optClientArch)
}
