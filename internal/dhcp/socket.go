package dhcp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"bootes.dev/internal/netif"
	"github.com/mdlayher/packet"
	"golang.org/x/net/bpf"
	"golang.org/x/net/ipv4"
)

// receiveBuffer is what a boot storm may leave waiting per socket, in bytes;
// the kernel's own limit (net.core.rmem_max) may make it less.
const receiveBuffer = 1 << 20

// port is one UDP port on one interface.
type port struct {
	link   *link
	number int
	raw    *net.UDPConn
	conn   *ipv4.PacketConn
	frames *packet.Conn // server mode

	neighbours *neighbours // server mode, if addresses are looked at
}

// openRaw opens what a server needs besides its port.
func (p *port) openRaw(ifc netif.Interface) (err error) {
	if p.frames, err = openFrames(ifc); err != nil || !p.link.config.Probe {
		return err
	}
	if p.neighbours, err = openNeighbours(ifc); err == nil {
		p.link.conflicts = &conflicts{inUse: p.neighbours.inUse}
	}
	return err
}

// openPort binds a port to one interface only. SO_REUSEADDR is left off on
// purpose: with it two DHCP servers on one host would silently share the port.
func openPort(l *link, number int) (*port, error) {
	lc := net.ListenConfig{Control: netif.BindToDevice(l.config.Name)}
	at := netip.AddrPortFrom(netip.IPv4Unspecified(), uint16(number))
	c, err := lc.ListenPacket(context.Background(), "udp4", at.String())
	if err != nil {
		err = netif.BindError("udp", at, err)
		if taken := (*netif.TakenError)(nil); errors.As(err, &taken) {
			err = fmt.Errorf(`%w: stop that program, or say "dhcp: off" for this interface`, err)
		}
		return nil, fmt.Errorf("serve DHCP on interface %q: %w", l.config.Name, err)
	}
	raw := c.(*net.UDPConn)
	p := &port{link: l, number: number, raw: raw, conn: ipv4.NewPacketConn(raw)}
	if err := p.conn.SetControlMessage(ipv4.FlagDst|ipv4.FlagInterface, true); err != nil {
		raw.Close()
		return nil, fmt.Errorf("set up port %d on interface %q: %w", number, l.config.Name, err)
	}
	raw.SetReadBuffer(receiveBuffer)
	return p, nil
}

// send sends from one of our addresses. A socket bound to a device would
// otherwise take the interface's first, and EDK2 drops what does not come from
// the address that it asked on port 4011.
func (p *port) send(data []byte, from netip.Addr, to netip.AddrPort, mac net.HardwareAddr) error {
	if mac != nil && p.frames != nil {
		b := appendUDP(make([]byte, 0, ipv4HeaderLen+udpHeaderLen+len(data)), from, to.Addr(), uint16(p.number), to.Port(), data)
		_, err := p.frames.WriteTo(b, &packet.Addr{HardwareAddr: mac})
		return err
	}
	source := ipv4.ControlMessage{Src: from.AsSlice()}
	_, _, err := p.raw.WriteMsgUDPAddrPort(data, source.Marshal(), to)
	return err
}

func (p *port) Close() error {
	if p.frames != nil {
		p.frames.Close()
	}
	if p.neighbours != nil {
		p.neighbours.Close()
	}
	return p.raw.Close()
}

// nothing is the kernel filter of a socket that only sends.
var nothing = assemble([]bpf.Instruction{bpf.RetConstant{Val: 0}})

// openFrames opens what answers to clients without an address go out by: the
// kernel's own way to them is ARP, which they do not answer yet.
func openFrames(ifc netif.Interface) (*packet.Conn, error) {
	ifi := &net.Interface{Index: ifc.Index, Name: ifc.Name, MTU: ifc.MTU, HardwareAddr: ifc.MAC}
	c, err := packet.Listen(ifi, packet.Datagram, etherIPv4, &packet.Config{Filter: nothing})
	if err != nil {
		return nil, fmt.Errorf("serve DHCP on interface %q: open a packet socket: %w", ifc.Name, err)
	}
	return c, nil
}
