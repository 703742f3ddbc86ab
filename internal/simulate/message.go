package simulate

import (
	"crypto/rand"
	"encoding/binary"
	"net"
	"net/netip"

	"bootes.dev/internal/dhcp"
)

// Options by number and source.
const (
	optVendor       = 43  // RFC 2132, 8.4
	optRequestedIP  = 50  // RFC 2132, 9.1
	optOverload     = 52  // RFC 2132, 9.3
	optMessageType  = 53  // RFC 2132, 9.6
	optServerID     = 54  // RFC 2132, 9.7
	optParameters   = 55  // RFC 2132, 9.8
	optMessage      = 56  // RFC 2132, 9.9
	optMaxSize      = 57  // RFC 2132, 9.10
	optVendorClass  = 60  // RFC 2132, 9.13
	optClientID     = 61  // RFC 2132, 9.14
	optTFTPServer   = 66  // RFC 2132, 9.4
	optBootFile     = 67  // RFC 2132, 9.5
	optRootPath     = 17  // RFC 2132, 3.19
	optUserClass    = 77  // RFC 3004
	optArchitecture = 93  // RFC 4578, 2.1
	optNDI          = 94  // RFC 4578, 2.2
	optUUID         = 97  // RFC 4578, 2.3
	optTFTPServers  = 150 // RFC 5859
	optIPXE         = 175 // iPXE's encapsulated options
	optEnd          = 255 // RFC 2132, 3.2
)

const (
	bootpLen      = 236    // RFC 2131, figure 1
	flagBroadcast = 0x8000 // RFC 2131, figure 2
)

var cookie = []byte{99, 130, 83, 99} // RFC 2131, 3

// client is who is simulated.
type client struct {
	mac        net.HardwareAddr
	uuid       [16]byte // of the system, in canonical byte order
	simulation string
}

// wireUUID is option 97 without its type: the first three fields are little-endian
// (SMBIOS), and a Raspberry Pi puts its own name first.
func (c client) wireUUID(f Firmware) []byte {
	u := c.uuid
	if u == [16]byte{} { // nothing is known of the system: something that goes with its MAC
		copy(u[10:], c.mac)
	}
	b := []byte{u[3], u[2], u[1], u[0], u[5], u[4], u[7], u[6]}
	b = append(b, u[8:]...)
	copy(b, f.uuid)
	return b
}

type option struct {
	code  byte
	value []byte
}

// message is a message of firmware f. All answers are wanted by broadcast: to
// another host's hardware address nothing else would come here.
func (c client) message(f Firmware, t dhcp.MessageType, xid uint32, secs uint16, more ...option) []byte {
	b := make([]byte, bootpLen, 400)
	b[0], b[1], b[2] = 1, 1, 6
	binary.BigEndian.PutUint32(b[4:], xid)
	binary.BigEndian.PutUint16(b[8:], secs)
	binary.BigEndian.PutUint16(b[10:], flagBroadcast)
	copy(b[28:], c.mac)
	b = append(b, cookie...)
	all := []option{{optMessageType, []byte{byte(t)}}}
	if f.maxSize > 0 {
		all = append(all, option{optMaxSize, binary.BigEndian.AppendUint16(nil, f.maxSize)})
	}
	all = append(all,
		option{optArchitecture, binary.BigEndian.AppendUint16(nil, f.arch)}, option{optNDI, append([]byte{1}, f.ndi...)},
		option{optVendorClass, []byte(f.class)})
	if f.ipxe() {
		all = append(all, option{optUserClass, []byte("iPXE")}, option{optIPXE, f.features})
	}
	all = append(all, option{optParameters, f.asks}, option{optClientID, dhcp.SimulatedID(c.simulation)}, option{optUUID, append([]byte{0}, c.wireUUID(f)...)})
	for _, o := range append(all, more...) {
		b = append(append(b, o.code, byte(len(o.value))), o.value...)
	}
	return append(b, optEnd)
}

// request takes an offer.
func (c client) request(f Firmware, xid uint32, o Answer) []byte {
	return c.message(f, dhcp.Request, xid, 4, option{optServerID, o.Server.AsSlice()}, option{optRequestedIP, o.Address.AsSlice()})
}

// bootRequest asks a boot server on port 4011, from an address. item is what the
// offer's menu has chosen; nil: there was none.
func (c client) bootRequest(f Firmware, xid uint32, from netip.Addr, item []byte) []byte {
	var more []option
	if item != nil {
		more = append(more, option{optVendor, append(append([]byte{71, byte(len(item))}, item...), optEnd)})
	}
	b := c.message(f, dhcp.Request, xid, 0, more...)
	copy(b[12:], from.AsSlice())
	return b
}

func newXid() uint32 {
	var b [4]byte
	rand.Read(b[:])
	return binary.BigEndian.Uint32(b[:])
}
