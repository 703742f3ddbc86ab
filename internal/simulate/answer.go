package simulate

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"bootes.dev/internal/dhcp"
)

// Answer is a server's DHCP message.
type Answer struct {
	Type    dhcp.MessageType
	From    netip.Addr       // who has sent it
	MAC     net.HardwareAddr // likewise; nil: it cannot be told
	Server  netip.Addr       // as it names itself
	Address netip.Addr       // for the client; zero: a proxy's
	Next    netip.Addr       // where the boot file is
	File    string
	Class   string // option 60
	Vendor  []byte // option 43
	Message string // option 56
	Root    string // option 17

	xid     uint32
	chaddr  string
	noProxy bool // iPXE's no-pxedhcp
}

var errAnswer = errors.New("not a DHCP server's message")

// ParseAnswer reads a message. What is cut off ends the options.
func ParseAnswer(b []byte) (a Answer, err error) {
	if len(b) < bootpLen+len(cookie) || b[0] != 2 || string(b[bootpLen:bootpLen+4]) != string(cookie) {
		return a, errAnswer
	}
	a.xid, a.chaddr = binary.BigEndian.Uint32(b[4:]), net.HardwareAddr(b[28:34]).String()
	a.Address, a.Next = address(b[16:20]), address(b[20:24])
	o := options(b[bootpLen+4:], map[byte][]byte{})
	sname, file := b[44:108], b[108:236]
	if v := o[optOverload]; len(v) == 1 {
		if v[0]&1 != 0 {
			o, file = options(file, o), nil
		}
		if v[0]&2 != 0 {
			o, sname = options(sname, o), nil
		}
	}
	if len(o[optMessageType]) != 1 || o[optMessageType][0] == 0 {
		return a, errAnswer
	}
	a.Type = dhcp.MessageType(o[optMessageType][0])
	a.Server, a.Class, a.Vendor = address(o[optServerID]), text(o[optVendorClass]), o[optVendor]
	a.Message, a.Root = text(o[optMessage]), text(o[optRootPath])
	if a.File = text(o[optBootFile]); a.File == "" {
		a.File = text(file)
	}
	a.next(o, text(sname))
	a.noProxy = flag(options(o[optIPXE], map[byte][]byte{})[176])
	return a, nil
}

// next finds where the boot file is: by the header or, if that says nothing, by
// option 66 or 150, which is a name as a rule.
func (a *Answer) next(o map[byte][]byte, sname string) {
	for _, name := range []string{text(o[optTFTPServer]), sname} {
		if at, err := netip.ParseAddr(name); err == nil && !a.Next.IsValid() {
			a.Next = at
		}
	}
	if v := o[optTFTPServers]; len(v) >= 4 && !a.Next.IsValid() {
		a.Next = address(v[:4])
	}
}

func flag(v []byte) bool { return len(v) == 1 && v[0] != 0 }

// options adds what b holds to all; parts of one option are joined (RFC 3396).
func options(b []byte, all map[byte][]byte) map[byte][]byte {
	for len(b) > 0 && b[0] != optEnd {
		if b[0] == 0 {
			b = b[1:]
			continue
		}
		if len(b) < 2 || len(b) < 2+int(b[1]) {
			break
		}
		all[b[0]] = append(all[b[0]], b[2:2+int(b[1])]...)
		b = b[2+int(b[1]):]
	}
	return all
}

func text(b []byte) string {
	s, _, _ := strings.Cut(string(b), "\x00")
	return s
}

func address(b []byte) netip.Addr {
	a, ok := netip.AddrFromSlice(b)
	if !ok || !a.Is4() || a.IsUnspecified() {
		return netip.Addr{}
	}
	return a
}

// Proxy reports whether it gives no address.
func (a Answer) Proxy() bool { return !a.Address.IsValid() }

// netboot reports whether it says that it is meant for firmware.
func (a Answer) netboot() bool {
	return strings.HasPrefix(a.Class, "PXEClient") || strings.HasPrefix(a.Class, "HTTPClient")
}

// forPi reports whether a Raspberry Pi takes it for an offer to boot.
func (a Answer) forPi() bool { return bytes.Contains(a.Vendor, []byte("Raspberry Pi Boot")) }

func (a Answer) String() string {
	var parts []string
	if a.Address.IsValid() {
		parts = append(parts, "address "+a.Address.String())
	} else {
		parts = append(parts, "no address: a proxy")
	}
	switch {
	case a.File != "" && a.Next.IsValid() && !strings.Contains(a.File, "://"):
		parts = append(parts, fmt.Sprintf("boot file %s from %s", a.File, a.Next))
	case a.File != "":
		parts = append(parts, "boot file "+a.File)
	default:
		parts = append(parts, "no boot file")
	}
	if a.Root != "" {
		parts = append(parts, "disk "+a.Root)
	}
	if a.Class != "" {
		parts = append(parts, a.Class)
	}
	if a.Message != "" {
		parts = append(parts, fmt.Sprintf("%q", a.Message))
	}
	return strings.Join(parts, "; ")
}
