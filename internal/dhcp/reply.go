package dhcp

import (
	"bytes"
	"encoding/binary"
	"maps"
	"net/netip"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/iana"
)

// flagBroadcast is set by clients that take no unicast before they have an
// address (RFC 2131, figure 2).
const flagBroadcast = 0x8000

// usualOptions is how many an answer has at most, as a rule.
const usualOptions = 14

// maxFile is what the header's file field holds besides its NUL.
const maxFile = 127

var (
	// pxeBootFile is option 43 for "fetch the boot file that is named here":
	// PXE_DISCOVERY_CONTROL (6) with bit 3 (PXE specification 2.1, table 2-1).
	pxeBootFile = []byte{6, 1, 8, 255}
	// ipxeNoProxy is option 175 with no-pxedhcp (176): iPXE would otherwise
	// wait two more seconds for a ProxyDHCP server.
	ipxeNoProxy = []byte{176, 1, 1, 255}

	broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})
)

// message begins an answer of type t: header, message type, our server id,
// and the options that are returned as they came.
func (x *exchange) message(t MessageType) *dhcpv4.DHCPv4 {
	x.made = dhcpv4.DHCPv4{
		OpCode: dhcpv4.OpcodeBootReply, HWType: iana.HWTypeEthernet,
		TransactionID: x.m.TransactionID, Flags: x.m.Flags,
		GatewayIPAddr: x.m.GatewayIPAddr, ClientHWAddr: x.m.ClientHWAddr,
		Options: emptied(x.made.Options),
	}
	p := &x.made
	p.Options[optMessageType] = []byte{byte(t)}
	p.Options[optServerID] = x.serverID().AsSlice()
	// PXE demands the UUID back, RFC 3046 the relay's option, RFC 3011 the
	// client's choice of a network.
	for _, code := range []uint8{optUUID, optRelayAgent, optSubnetSelection} {
		if v, ok := x.m.Options[code]; ok {
			p.Options[code] = v
		}
	}
	return p
}

// serverID is the address by which the client names us: ours, or one of its
// relay, which then forwards renewals too (RFC 5107).
func (x *exchange) serverID() netip.Addr {
	if x.relay.override.IsValid() {
		return x.relay.override
	}
	return x.q.Server
}

// addNetwork adds what a host must know of its network.
func (x *exchange) addNetwork(p *dhcpv4.DHCPv4) {
	maps.Copy(p.Options, x.net.options)
	if x.q.NetBoot {
		delete(p.Options, optVendor) // what firmware finds there is PXE's, not the operator's
	}
	if name := x.hostname(); name != "" {
		p.Options[optHostName] = []byte(name)
	}
	if x.d.RootPath != "" && !x.q.NetBoot && bytes.IndexByte(x.m.Options[optParameters], optRootPath) >= 0 {
		p.Options[optRootPath] = []byte(x.d.RootPath)
	}
}

// addBoot adds what to boot, and from where.
func (x *exchange) addBoot(p *dhcpv4.DHCPv4) {
	next := x.nextServer()
	p.ServerIPAddr = next.AsSlice()
	p.Options[optBootFile] = []byte(x.d.Filename)
	if x.q.Firmware.HTTP() && !x.q.IPXE {
		p.Options[optVendorClass] = []byte(classHTTP)
		return
	}
	p.ServerHostName = next.String()
	p.Options[optTFTPServer] = []byte(next.String())
	if len(x.d.Filename) <= maxFile {
		p.BootFileName = x.d.Filename
	}
	x.addPXE(p)
}

// addPXE adds the marks by which PXE clients take an offer for a boot offer.
func (x *exchange) addPXE(p *dhcpv4.DHCPv4) {
	proxy := x.l.config.Mode == ModeProxy
	switch {
	case x.q.Firmware == RaspberryPi:
		p.Options[optVendor] = piBoot
	case x.q.IPXE && !proxy:
		p.Options[optIPXE] = ipxeNoProxy
		return // with option 60 iPXE would note our offer a second time, as a proxy's
	case x.q.Firmware == BIOS && !x.q.IPXE, !proxy:
		p.Options[optVendor] = pxeBootFile
	}
	p.Options[optVendorClass] = []byte(classPXE)
}

// nextServer is where the boot file is. EDK2 takes siaddr of a proxy's OFFER
// for the place to ask on port 4011, so there it must be ourselves; the ACK
// from that port tells the true one.
func (x *exchange) nextServer() netip.Addr {
	binl := x.l.config.Mode == ModeProxy && x.q.Port == ServerPort && x.q.Firmware.EFI() && !x.q.IPXE
	if x.d.NextServer.IsValid() && !binl {
		return x.d.NextServer
	}
	return x.q.Server
}

// destination is where an answer goes (RFC 2131, 4.1). given is the address in
// it; a proxy gives none, and can only broadcast to a client without one.
func (x *exchange) destination(t MessageType, given netip.Addr) netip.AddrPort {
	switch {
	case x.q.Relay.IsValid():
		return netip.AddrPortFrom(x.q.Relay, ServerPort)
	case x.q.Port == ProxyPort && !x.in.from.Addr().IsUnspecified():
		return x.in.from // EDK2 listens on 4011, others on 68: where they sent from
	case t == NAK:
	case x.q.CIAddr.IsValid():
		return netip.AddrPortFrom(x.q.CIAddr, ClientPort)
	case given.IsValid() && x.m.Flags&flagBroadcast == 0:
		return netip.AddrPortFrom(given, ClientPort)
	}
	return netip.AddrPortFrom(broadcast, ClientPort)
}

func seconds(d time.Duration) []byte {
	return binary.BigEndian.AppendUint32(nil, uint32(d/time.Second))
}

func mask(p netip.Prefix) []byte {
	return binary.BigEndian.AppendUint32(nil, uint32(0xffffffff)<<(32-p.Bits()))
}

// lastOf is a network's broadcast address.
func lastOf(p netip.Prefix) netip.Addr {
	a := p.Addr().As4()
	n := binary.BigEndian.Uint32(a[:]) | ^binary.BigEndian.Uint32(mask(p))
	binary.BigEndian.PutUint32(a[:], n)
	return netip.AddrFrom4(a)
}
