package simulate

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"

	"github.com/mdlayher/packet"
	"golang.org/x/net/bpf"
	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"

	"bootes.dev/internal/dhcp"
	"bootes.dev/internal/netif"
)

// Wire is one network interface, by which any number of simulated clients ask.
type Wire struct {
	ifc  netif.Interface
	out  *ipv4.RawConn
	hear *packet.Conn
	done sync.WaitGroup

	mu      sync.Mutex
	clients map[uint32]chan Answer // by xid
}

// ErrPrivilege: this user may not play a DHCP client.
var ErrPrivilege = errors.New("a simulated machine sends and hears packets as firmware does, which takes the right CAP_NET_RAW: run it as root")

// OpenWire opens an interface. Whoever opens it closes it.
func OpenWire(name string) (*Wire, error) {
	ifc, err := netif.ByName(name)
	if err != nil {
		return nil, err
	}
	raw, err := net.ListenPacket("ip4:udp", "0.0.0.0")
	if err != nil {
		return nil, opening(name, err)
	}
	w := &Wire{ifc: ifc, clients: map[uint32]chan Answer{}}
	if w.out, err = ipv4.NewRawConn(raw); err == nil {
		err = w.out.SetBPF(deaf)
	}
	if err == nil {
		// Of what this host sends, only sockets for all protocols see a copy.
		ifi := &net.Interface{Index: ifc.Index, Name: ifc.Name, MTU: ifc.MTU, HardwareAddr: ifc.MAC}
		w.hear, err = packet.Listen(ifi, packet.Datagram, unix.ETH_P_ALL, &packet.Config{Filter: replies})
	}
	if err != nil {
		raw.Close()
		return nil, opening(name, err)
	}
	_ = w.hear.SetPromiscuous(true) // for servers that answer by unicast all the same
	w.widen()
	w.done.Go(w.listen)
	return w, nil
}

// receiveBuffer has room for the offers to a whole room that asks at once.
const receiveBuffer = 8 << 20

// widen gives answers room to wait in, beyond what users are allowed: each client
// of a room would have a card of its own.
func (w *Wire) widen() {
	raw, err := w.hear.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) { // without it what does not fit is asked for again
		if unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, receiveBuffer) != nil {
			_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, receiveBuffer)
		}
	})
}

func opening(name string, err error) error {
	if errors.Is(err, os.ErrPermission) {
		return fmt.Errorf("open interface %q: %w", name, ErrPrivilege)
	}
	return fmt.Errorf("open interface %q: %w", name, err)
}

// Close ends the use of the interface.
func (w *Wire) Close() error {
	err := errors.Join(w.out.Close(), w.hear.Close())
	w.done.Wait()
	return err
}

// Own is this host's address there; invalid: it has none.
func (w *Wire) Own() netip.Addr {
	p, _ := w.ifc.IPv4()
	return p.Addr()
}

// Expect has all answers with an xid sent to a channel, which loses what nobody
// reads, until end is called.
func (w *Wire) Expect(xid uint32) (answers <-chan Answer, end func()) {
	c := make(chan Answer, 32)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.clients[xid] = c
	return c, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.clients, xid)
	}
}

// Broadcast sends a message to all DHCP servers there, also those of this host.
func (w *Wire) Broadcast(message []byte) error {
	b := binary.BigEndian.AppendUint16(nil, dhcp.ClientPort)
	b = binary.BigEndian.AppendUint16(b, dhcp.ServerPort)
	b = binary.BigEndian.AppendUint16(b, uint16(8+len(message)))
	b = append(append(b, 0, 0), message...) // no checksum (RFC 768)
	h := &ipv4.Header{
		Version: 4, Len: 20, TotalLen: 20 + len(b), TTL: 64, Protocol: unix.IPPROTO_UDP, Dst: net.IPv4bcast, Src: w.Own().AsSlice(),
	}
	if err := w.out.WriteTo(h, b, &ipv4.ControlMessage{IfIndex: w.ifc.Index}); err != nil {
		return fmt.Errorf("send on interface %q: %w", w.ifc.Name, err)
	}
	return nil
}

// listen hands answers to those who expect them until the wire is closed.
func (w *Wire) listen() {
	buf := make([]byte, 4096)
	for {
		n, from, err := w.hear.ReadFrom(buf)
		if err != nil {
			return
		}
		a, err := parseDatagram(buf[:n])
		if err != nil {
			continue
		}
		if at, ok := from.(*packet.Addr); ok && len(at.HardwareAddr) == 6 {
			a.MAC = at.HardwareAddr
		}
		w.mu.Lock()
		c := w.clients[a.xid]
		w.mu.Unlock()
		select {
		case c <- a:
		default: // nobody expects it, or reads
		}
	}
}

// parseDatagram reads an IPv4 packet with a server's message to a client.
func parseDatagram(b []byte) (Answer, error) {
	h, err := ipv4.ParseHeader(b)
	if err != nil || h.Protocol != unix.IPPROTO_UDP || h.Len+8 > len(b) || h.Len < 20 {
		return Answer{}, errAnswer
	}
	udp := b[h.Len:]
	if binary.BigEndian.Uint16(udp[2:]) != dhcp.ClientPort {
		return Answer{}, errAnswer
	}
	a, err := ParseAnswer(udp[8:])
	if err == nil {
		a.From = address(h.Src.To4())
	}
	return a, err
}

// deaf is the kernel filter of a socket that only sends. replies lets pass UDP to
// port 68, from the IPv4 header on.
var (
	deaf    = assemble([]bpf.Instruction{bpf.RetConstant{}})
	replies = assemble([]bpf.Instruction{
		bpf.LoadAbsolute{Off: 0, Size: 1},
		bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 0xf0},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: 0x40, SkipTrue: 8},
		bpf.LoadAbsolute{Off: 9, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.IPPROTO_UDP, SkipTrue: 6},
		bpf.LoadAbsolute{Off: 6, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: 0x1fff, SkipTrue: 4},
		bpf.LoadMemShift{Off: 0},
		bpf.LoadIndirect{Off: 2, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: dhcp.ClientPort, SkipTrue: 1},
		bpf.RetConstant{Val: 4096},
		bpf.RetConstant{},
	})
)

func assemble(program []bpf.Instruction) []bpf.RawInstruction {
	raw, err := bpf.Assemble(program)
	if err != nil {
		panic(err) // the programs above are constant
	}
	return raw
}

// bootServer asks a boot server on port 4011 and waits for its answer. One on this
// host listens on an interface, which a message to our own address does not come
// in by: it is broadcast there.
func (w *Wire) bootServer(ctx context.Context, server netip.Addr, message []byte) (Answer, error) {
	c, err := net.ListenUDP("udp4", nil)
	if err != nil {
		return Answer{}, err
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { c.SetReadDeadline(past) })
	defer stop()
	to := &net.UDPAddr{IP: server.AsSlice(), Port: dhcp.ProxyPort}
	var via *ipv4.ControlMessage
	if server == w.Own() {
		to.IP, via = net.IPv4bcast, &ipv4.ControlMessage{IfIndex: w.ifc.Index}
	}
	if _, err := ipv4.NewPacketConn(c).WriteTo(message, via, to); err != nil {
		return Answer{}, err
	}
	buf := make([]byte, 4096)
	for {
		n, from, err := c.ReadFromUDPAddrPort(buf)
		if err != nil {
			return Answer{}, err
		}
		if a, err := ParseAnswer(buf[:n]); err == nil && a.xid == binary.BigEndian.Uint32(message[4:]) {
			a.From = from.Addr().Unmap()
			return a, nil
		}
	}
}
