package dhcp

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"bootes.dev/internal/netif"
	"github.com/mdlayher/packet"
	"golang.org/x/net/ipv4"
	"golang.org/x/sync/errgroup"
)

const (
	etherARP = 0x0806
	arpLen   = 28
	// How long an answer is waited for. On a wire it takes a millisecond; PXE
	// ROMs wait 4 s for an offer, iPXE and dhclient 1 s at the least.
	arpTime  = 300 * time.Millisecond
	echoTime = 600 * time.Millisecond
	// Twice, for the first may be lost.
	askTimes = 2
)

// neighbours asks who has an address: by ARP on our wire, by an ICMP echo
// behind a relay.
type neighbours struct {
	mac  net.HardwareAddr
	arp  *packet.Conn
	icmp net.PacketConn
	id   uint16

	mu    sync.Mutex
	asked map[netip.Addr]chan string
}

func openNeighbours(ifc netif.Interface) (*neighbours, error) {
	ifi := &net.Interface{Index: ifc.Index, Name: ifc.Name, MTU: ifc.MTU, HardwareAddr: ifc.MAC}
	arp, err := packet.Listen(ifi, packet.Datagram, etherARP, nil)
	if err != nil {
		return nil, fmt.Errorf("look for conflicts on interface %q: open a packet socket: %w", ifc.Name, err)
	}
	icmp, err := net.ListenPacket("ip4:icmp", "0.0.0.0")
	if err != nil {
		arp.Close()
		return nil, fmt.Errorf("look for conflicts on interface %q: open an ICMP socket: %w", ifc.Name, err)
	}
	var filter ipv4.ICMPFilter
	filter.SetAll(true)
	filter.Accept(ipv4.ICMPTypeEchoReply)
	_ = ipv4.NewPacketConn(icmp).SetICMPFilter(&filter) // without it we read more than we need
	n := &neighbours{mac: ifc.MAC, arp: arp, icmp: icmp, asked: map[netip.Addr]chan string{}}
	var id [2]byte
	rand.Read(id[:])
	n.id = binary.BigEndian.Uint16(id[:])
	return n, nil
}

func (n *neighbours) Close() error { return errors.Join(n.arp.Close(), n.icmp.Close()) }

// serve reads what is answered until ctx ends.
func (n *neighbours) serve(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() {
		n.arp.SetReadDeadline(time.Unix(1, 0))
		n.icmp.SetReadDeadline(time.Unix(1, 0))
	})
	defer stop()
	var group errgroup.Group
	group.Go(func() error { return n.read(ctx, n.arp, parseARP) })
	group.Go(func() error {
		return n.read(ctx, n.icmp, func(b []byte, from net.Addr) (netip.Addr, string, bool) { return parseEcho(b, from, n.id) })
	})
	return group.Wait()
}

// read hands each answer to whoever asked.
func (n *neighbours) read(ctx context.Context, c net.PacketConn, parse func([]byte, net.Addr) (netip.Addr, string, bool)) error {
	buf := make([]byte, maxDatagram)
	for {
		size, from, err := c.ReadFrom(buf)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("look for conflicts: %w", err)
		case err != nil: // the link is down, for instance
			wait(ctx, readErrorWait)
			continue
		}
		a, by, ok := parse(buf[:size], from)
		if !ok {
			continue
		}
		n.mu.Lock()
		asked := n.asked[a]
		n.mu.Unlock()
		select {
		case asked <- by:
		default: // nobody asked, or was told already
		}
	}
}

// inUse returns who answers to a: a MAC address on our wire, a itself behind a
// relay; "" if nobody but the client does.
func (n *neighbours) inUse(ctx context.Context, a netip.Addr, onWire bool, client string) string {
	answer := make(chan string, 4)
	n.mu.Lock()
	n.asked[a] = answer
	n.mu.Unlock()
	defer func() {
		n.mu.Lock()
		delete(n.asked, a)
		n.mu.Unlock()
	}()
	ask, pause := n.echo, echoTime/askTimes
	if onWire {
		ask, pause = n.whoHas, arpTime/askTimes
	}
	for i := range askTimes {
		ask(a, uint16(i)) // what cannot be sent is not answered
		timeout := time.After(pause)
		for waiting := true; waiting; {
			select {
			case by := <-answer:
				if by != client {
					return by
				}
			case <-timeout:
				waiting = false
			case <-ctx.Done():
				return ""
			}
		}
	}
	return ""
}

// whoHas sends an ARP probe (RFC 826; its sender's address of zero, RFC 5227,
// spoils nobody's table):
//
//	hardware 1 │ protocol 0800 │ lengths 6, 4 │ operation │ sender MAC, IP │ target MAC, IP
func (n *neighbours) whoHas(a netip.Addr, _ uint16) {
	b := []byte{0, 1, 8, 0, 6, 4, 0, 1}
	b = append(append(b, n.mac...), 0, 0, 0, 0)
	b = append(append(b, 0, 0, 0, 0, 0, 0), a.AsSlice()...)
	n.arp.WriteTo(b, &packet.Addr{HardwareAddr: net.HardwareAddr{255, 255, 255, 255, 255, 255}})
}

// parseARP tells who uses which address: any sender of ARP says so.
func parseARP(b []byte, _ net.Addr) (a netip.Addr, by string, ok bool) {
	if len(b) < arpLen || string(b[:6]) != "\x00\x01\x08\x00\x06\x04" {
		return a, "", false
	}
	a = addr(b[14:18])
	return a, net.HardwareAddr(b[8:14]).String(), a.IsValid()
}

// echo sends an ICMP echo request (RFC 792).
func (n *neighbours) echo(a netip.Addr, seq uint16) {
	b := []byte{byte(ipv4.ICMPTypeEcho), 0, 0, 0}
	b = binary.BigEndian.AppendUint16(b, n.id)
	b = binary.BigEndian.AppendUint16(b, seq)
	binary.BigEndian.PutUint16(b[2:], ^fold(sum(b)))
	n.icmp.WriteTo(b, &net.IPAddr{IP: a.AsSlice()})
}

// parseEcho tells who answered an echo request of ours. The kernel has taken
// the IP header off.
func parseEcho(b []byte, from net.Addr, id uint16) (a netip.Addr, by string, ok bool) {
	ip, isIP := from.(*net.IPAddr)
	if !isIP || len(b) < 8 || b[0] != byte(ipv4.ICMPTypeEchoReply) || b[1] != 0 || binary.BigEndian.Uint16(b[4:]) != id {
		return a, "", false
	}
	a = addr(ip.IP.To4())
	return a, a.String(), a.IsValid()
}
