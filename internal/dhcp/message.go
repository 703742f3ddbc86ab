package dhcp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/iana"
)

// Ports (RFC 2131, 4.1; PXE specification 2.1, 2.2.1).
const (
	ServerPort = 67
	ClientPort = 68
	ProxyPort  = 4011 // PXE boot servers and ProxyDHCP's second round
)

// MessageType is DHCP option 53 (RFC 2132, 9.6).
type MessageType uint8

const (
	Discover MessageType = 1
	Offer    MessageType = 2
	Request  MessageType = 3
	Decline  MessageType = 4
	ACK      MessageType = 5
	NAK      MessageType = 6
	Release  MessageType = 7
	Inform   MessageType = 8
)

var messageNames = [...]string{
	Discover: "DISCOVER", Offer: "OFFER", Request: "REQUEST", Decline: "DECLINE",
	ACK: "ACK", NAK: "NAK", Release: "RELEASE", Inform: "INFORM",
}

func (t MessageType) String() string {
	if t == 0 || int(t) >= len(messageNames) {
		return fmt.Sprintf("type %d", uint8(t))
	}
	return messageNames[t]
}

// fromClient reports whether t is a type that clients send.
func (t MessageType) fromClient() bool {
	switch t {
	case Discover, Request, Decline, Release, Inform:
		return true
	}
	return false
}

// Options by number and source.
const (
	optSubnetMask      = 1   // RFC 2132, 3.3
	optRouter          = 3   // RFC 2132, 3.5
	optDNS             = 6   // RFC 2132, 3.8
	optHostName        = 12  // RFC 2132, 3.14
	optDomainName      = 15  // RFC 2132, 3.17
	optRootPath        = 17  // RFC 2132, 3.19; of a disk: RFC 4173
	optBroadcast       = 28  // RFC 2132, 5.3
	optNTP             = 42  // RFC 2132, 8.3
	optVendor          = 43  // RFC 2132, 8.4; contents: PXE specification 2.1, table 2-1
	optRequestedIP     = 50  // RFC 2132, 9.1
	optOverload        = 52  // RFC 2132, 9.3
	optLeaseTime       = 51  // RFC 2132, 9.2
	optMessageType     = 53  // RFC 2132, 9.6
	optServerID        = 54  // RFC 2132, 9.7
	optParameters      = 55  // RFC 2132, 9.8
	optMessage         = 56  // RFC 2132, 9.9
	optMaxSize         = 57  // RFC 2132, 9.10
	optRenewalTime     = 58  // RFC 2132, 9.11
	optRebindTime      = 59  // RFC 2132, 9.12
	optVendorClass     = 60  // RFC 2132, 9.13
	optClientID        = 61  // RFC 2132, 9.14
	optTFTPServer      = 66  // RFC 2132, 9.4
	optBootFile        = 67  // RFC 2132, 9.5
	optUserClass       = 77  // RFC 3004; iPXE sends it without the length bytes
	optRelayAgent      = 82  // RFC 3046
	optArchitecture    = 93  // RFC 4578, 2.1
	optUUID            = 97  // RFC 4578, 2.3
	optSubnetSelection = 118 // RFC 3011
	optRoutes          = 121 // RFC 3442
	optEnd             = 255 // RFC 2132, 3.2
	optIPXE            = 175 // iPXE's encapsulated options (ipxe.org/howto/dhcpd)
)

const (
	headerLen   = 236 // RFC 2131, figure 1, without options
	ethernetLen = 6
	bootRequest = 1
)

var (
	errMalformed  = errors.New("malformed packet")
	errNotRequest = errors.New("not a client's message")
	errUserPort   = errors.New("neither a client's port nor a relay's: any user could have sent it")
)

// decode reads a client's message into m, without the fields sname and file, and
// uses the memory of m's options again. m then refers to b. What is not a BOOTREQUEST
// of an Ethernet client with a DHCP message type is refused: we could not answer it.
//
//	┌────┬───────┬──────┬──────┬─────┬──────┬───────┬────────┬────────┬────────┬────────┬───────────┬───────┬──────┬────────┬───
//	│ op │ htype │ hlen │ hops │ xid │ secs │ flags │ ciaddr │ yiaddr │ siaddr │ giaddr │ chaddr 16 │ sname │ file │ cookie │ options
//	└────┴───────┴──────┴──────┴─────┴──────┴───────┴────────┴────────┴────────┴────────┴───────────┴───────┴──────┴────────┴───
func decode(b []byte, m *dhcpv4.DHCPv4) (MessageType, error) {
	if len(b) < headerLen+4 {
		return 0, fmt.Errorf("read DHCP message: %w: %d bytes", errMalformed, len(b))
	}
	if b[0] != bootRequest {
		return 0, errNotRequest
	}
	if b[2] != ethernetLen {
		return 0, fmt.Errorf("read DHCP message: %w: hardware address of %d bytes", errMalformed, b[2])
	}
	if at := b[headerLen : headerLen+4]; string(at) != magicCookie {
		return 0, fmt.Errorf("read DHCP message: %w: magic cookie % x", errMalformed, at)
	}
	*m = dhcpv4.DHCPv4{
		OpCode: dhcpv4.OpcodeBootRequest, HWType: iana.HWType(b[1]), HopCount: b[3],
		TransactionID: dhcpv4.TransactionID(b[4:8]), NumSeconds: binary.BigEndian.Uint16(b[8:]), Flags: binary.BigEndian.Uint16(b[10:]),
		ClientIPAddr: b[12:16:16], YourIPAddr: b[16:20:20], ServerIPAddr: b[20:24:24], GatewayIPAddr: b[24:28:28],
		ClientHWAddr: b[28:34:34], Options: emptied(m.Options),
	}
	// Some ROMs leave out the end option.
	if err := m.Options.FromBytes(b[headerLen+4:]); err != nil {
		return 0, fmt.Errorf("read DHCP message: %w: %w", errMalformed, err)
	}
	if m.ClientHWAddr[0]&1 != 0 || uniform(m.ClientHWAddr) {
		return 0, fmt.Errorf("read DHCP message: %w: hardware address %s", errMalformed, m.ClientHWAddr)
	}
	t := m.Options[optMessageType]
	if len(t) != 1 || !MessageType(t[0]).fromClient() {
		return 0, errNotRequest
	}
	return MessageType(t[0]), nil
}

// emptied is o without options, or new ones.
func emptied(o dhcpv4.Options) dhcpv4.Options {
	if o == nil {
		return make(dhcpv4.Options, usualOptions)
	}
	clear(o)
	return o
}

// query gathers what a decision may depend on.
func query(m *dhcpv4.DHCPv4, t MessageType) Query {
	class := text(m.Options[optVendorClass])
	q := Query{
		Type:        t,
		MAC:         slices.Clone(m.ClientHWAddr),
		Xid:         binary.BigEndian.Uint32(m.TransactionID[:]),
		UUID:        canonicalUUID(m.Options[optUUID]),
		Firmware:    firmware(class, m.Options[optArchitecture]),
		IPXE:        isIPXE(m.Options),
		VendorClass: class,
		Hostname:    text(m.Options[optHostName]),
		Requested:   addr(m.Options[optRequestedIP]),
		ServerID:    addr(m.Options[optServerID]),
		CIAddr:      addr(m.ClientIPAddr.To4()),
		Secs:        m.NumSeconds,
		Relay:       addr(m.GatewayIPAddr.To4()),
		Features:    features(m.Options[optIPXE]),
		AsksAsIPXE:  bytes.IndexByte(m.Options[optParameters], optIPXE) >= 0,
	}
	if q.Firmware == BIOS && !q.IPXE && isRaspberryPi(m) {
		q.Firmware = RaspberryPi
	}
	q.NetBoot = q.Firmware != FirmwareNone || q.IPXE
	q.Simulation, q.Simulated = simulated(m.Options[optClientID])
	return q
}

// isIPXE tells iPXE (and its ancestor gPXE) from the ROM that started it. One
// of the two marks is enough: scripts can change the user class.
func isIPXE(o dhcpv4.Options) bool {
	class := string(o[optUserClass])
	return strings.Contains(class, "iPXE") || strings.Contains(class, "gPXE") || o[optIPXE] != nil
}

// text is an option's string without the NULs that some clients end it with.
func text(b []byte) string { return strings.TrimRight(string(b), "\x00") }

// addr reads an IPv4 address; anything else, and 0.0.0.0, gives the zero Addr.
func addr(b []byte) netip.Addr {
	a, ok := netip.AddrFromSlice(b)
	if !ok || !a.Is4() || a.IsUnspecified() {
		return netip.Addr{}
	}
	return a
}
