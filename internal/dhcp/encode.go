package dhcp

import (
	"encoding/binary"
	"net"
	"slices"

	"github.com/insomniacslk/dhcp/dhcpv4"
)

// Sizes in bytes.
const (
	snameAt   = 44 // where the header has it (RFC 2131, figure 1)
	fileAt    = 108
	maxOption = 255
	// minMessage is what BOOTP had; some clients drop less (RFC 1542, 2.1).
	minMessage = 300
	// minDatagram is what every client takes without saying so (RFC 2131, 2).
	// It counts the headers of IP and UDP, as does option 57 for those who
	// wrote the clients and servers in use.
	minDatagram = 576
	maxFrame    = 1500
	// firstRoom is for firstOptions and the overload option, however long the
	// relay's option is: clients look for the message type nowhere else, and the
	// relay takes its option out before they count.
	firstRoom = 3 + 6 + 6 + 3
)

const magicCookie = "\x63\x82\x53\x63" // RFC 2131, 3

var (
	// firstOptions come before what the client asks for, as in every other server.
	firstOptions = []uint8{optMessageType, optServerID, optLeaseTime}
	// alwaysOptions are sent though the client does not ask: its address means
	// nothing without them, or firmware wants them and has been seen not to ask.
	alwaysOptions = []uint8{
		optMessage, optSubnetMask, optVendorClass, optVendor, optBootFile, optTFTPServer, optIPXE, optUUID,
		optRenewalTime, optRebindTime, optSubnetSelection,
	}
	// onRequest are left out if the client has a list of what it wants, and
	// they are not in it (RFC 2132, 9.8). What the operator gives by number is
	// sent to everybody: that was asked for by a person.
	onRequest = []uint8{optRouter, optDNS, optHostName, optDomainName, optBroadcast, optNTP, optRoutes}
)

// optionOrder is the order in which an answer's options are sent: in that of
// the client's list, as far as they are in it (RFC 2132, 9.8).
func optionOrder(o dhcpv4.Options, asked []byte) []uint8 {
	order := make([]uint8, 0, len(o))
	add := func(code uint8) {
		if _, ok := o[code]; ok && code != optRelayAgent && !slices.Contains(order, code) {
			order = append(order, code)
		}
	}
	for _, list := range [][]uint8{firstOptions, asked, alwaysOptions} {
		for _, code := range list {
			add(code)
		}
	}
	rest := len(order)
	for code := range o {
		if len(asked) == 0 || !slices.Contains(onRequest, code) {
			add(code)
		}
	}
	slices.Sort(order[rest:])
	return order
}

// encode is an answer's bytes in an empty b, with the options in the order that the client
// asks for and no more than it takes. What does not fit among the options goes
// into the fields sname and file, which the option 52 says (RFC 2131, 4.1), and
// what does not fit there is left out: it is what the client wants least.
//
//	┌────────────────┬────────────┬─────────────┬────────┬─────────────────────────┐
//	│ op … chaddr 44 │ sname   64 │ file    128 │ cookie │ options … 82 … end, pad │
//	└────────────────┴────────────┴─────────────┴────────┴─────────────────────────┘
func encode(b []byte, p *dhcpv4.DHCPv4, asked, maxSize []byte) []byte {
	b = appendHeader(slices.Grow(b, minDatagram), p)
	var relay []byte
	if v, ok := p.Options[optRelayAgent]; ok {
		relay = appendOption(nil, optRelayAgent, v) // last, and never left out (RFC 3046, 2.2)
	}
	order := optionOrder(p.Options, asked)
	if room := max(largest(maxSize)-len(b)-len(relay)-1, firstRoom); encodedLen(p.Options, order) <= room {
		for _, code := range order {
			b = appendOption(b, code, p.Options[code])
		}
	} else {
		b = appendOverloaded(b, p.Options, order, room-len(overloadOption))
	}
	b = append(append(b, relay...), optEnd)
	return append(b, make([]byte, max(0, minMessage-len(b)))...)
}

// largest is how many bytes of DHCP a client takes, by its option 57.
func largest(maxSize []byte) int {
	size := minDatagram
	if len(maxSize) == 2 {
		size = min(max(size, int(binary.BigEndian.Uint16(maxSize))), maxFrame)
	}
	return size - ipv4HeaderLen - udpHeaderLen
}

// appendHeader appends the fields before the options, and the cookie.
func appendHeader(b []byte, p *dhcpv4.DHCPv4) []byte {
	b = append(b, byte(p.OpCode), byte(p.HWType), ethernetLen, p.HopCount)
	b = append(b, p.TransactionID[:]...)
	b = binary.BigEndian.AppendUint16(b, p.NumSeconds)
	b = binary.BigEndian.AppendUint16(b, p.Flags)
	for _, a := range []net.IP{p.ClientIPAddr, p.YourIPAddr, p.ServerIPAddr, p.GatewayIPAddr} {
		b = append(b, make([]byte, 4)...)
		copy(b[len(b)-4:], a.To4())
	}
	at := len(b)
	b = append(b, make([]byte, headerLen-at)...)
	copy(b[at:], p.ClientHWAddr)
	copy(b[snameAt:fileAt-1], p.ServerHostName)
	copy(b[fileAt:headerLen-1], p.BootFileName)
	return append(b, magicCookie...)
}

// appendOption appends an option, in parts if it is long (RFC 3396).
func appendOption(b []byte, code uint8, v []byte) []byte {
	for {
		part := v[:min(len(v), maxOption)]
		b = append(append(b, code, byte(len(part))), part...)
		if v = v[len(part):]; len(v) == 0 {
			return b
		}
	}
}

func encodedLen(o dhcpv4.Options, order []uint8) (n int) {
	for _, code := range order {
		n += len(o[code]) + 2*max(1, (len(o[code])+maxOption-1)/maxOption)
	}
	return n
}

// overloadOption is option 52 before it is known which fields it means.
var overloadOption = []byte{optOverload, 1, 0}

// appendOverloaded appends options to a header b: each to the options field if
// there is room, else to sname, else to file. What stood in those two is in
// options 66 and 67 too.
func appendOverloaded(b []byte, o dhcpv4.Options, order []uint8, room int) []byte {
	var sname, file []byte
	for _, code := range order {
		e := appendOption(nil, code, o[code])
		switch {
		case len(e) <= room:
			b, room = append(b, e...), room-len(e)
		case len(sname)+len(e) < fileAt-snameAt:
			sname = append(sname, e...)
		case len(file)+len(e) < headerLen-fileAt:
			file = append(file, e...)
		}
	}
	b = append(b, overloadOption...)
	used := &b[len(b)-1]
	if len(file) > 0 {
		*used |= 1
		overwrite(b[fileAt:headerLen], file)
	}
	if len(sname) > 0 {
		*used |= 2
		overwrite(b[snameAt:fileAt], sname)
	}
	return b
}

func overwrite(field, options []byte) {
	clear(field[copy(field, options):])
	field[len(options)] = optEnd
}
