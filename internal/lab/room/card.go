package room

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"

	"github.com/mdlayher/packet"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

const (
	tapName = "room"
	etherIP = 0x0800
	// etherAll is every protocol (ETH_P_ALL).
	etherAll = 3
)

// card is a network card that stands for many, and the tap by which the kernel's
// TCP has a part in it.
type card struct {
	o      Options
	conn   *packet.Conn
	tap    *os.File
	tapMAC net.HardwareAddr
	reader sync.WaitGroup

	mu       sync.Mutex
	machines map[netip.Addr]net.HardwareAddr // by the address they were leased
	waiting  map[uint32]chan answer          // by xid
	server   net.HardwareAddr                // from where answers come
}

// plugIn opens the card, and makes the tap.
func plugIn(o Options) (*card, error) {
	ifi, err := net.InterfaceByName(o.Card)
	if err != nil {
		return nil, fmt.Errorf("find card %q: %w", o.Card, err)
	}
	// Addresses of the tap are no business of the card's.
	if err := os.WriteFile("/proc/sys/net/ipv4/conf/"+o.Card+"/arp_ignore", []byte("1"), 0o644); err != nil {
		return nil, err
	}
	c := &card{o: o, machines: map[netip.Addr]net.HardwareAddr{}, waiting: map[uint32]chan answer{}}
	if c.conn, err = packet.Listen(ifi, packet.Raw, etherAll, nil); err != nil {
		return nil, fmt.Errorf("open card %q: %w", o.Card, err)
	}
	if err := c.open(); err != nil {
		c.close()
		return nil, err
	}
	c.reader.Go(c.fromNetwork)
	c.reader.Go(c.fromKernel)
	return c, nil
}

func (c *card) open() error {
	if err := c.conn.SetPromiscuous(true); err != nil {
		return fmt.Errorf("listen for all machines: %w", err)
	}
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open /dev/net/tun: %w", err)
	}
	req, err := unix.NewIfreq(tapName)
	if err == nil {
		req.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, req)
	}
	if err != nil {
		unix.Close(fd)
		return fmt.Errorf("make tap: %w", err)
	}
	c.tap = os.NewFile(uintptr(fd), tapName)
	return c.route()
}

// route has the kernel reach the server by the tap, whatever its hardware address.
func (c *card) route() error {
	link, err := netlink.LinkByName(tapName)
	if err != nil {
		return err
	}
	if err := netlink.LinkSetUp(link); err != nil {
		return err
	}
	c.tapMAC = link.Attrs().HardwareAddr
	server := net.IP(c.o.Server.AsSlice())
	if err := netlink.RouteAdd(&netlink.Route{LinkIndex: link.Attrs().Index, Scope: netlink.SCOPE_LINK, Dst: &net.IPNet{IP: server, Mask: net.CIDRMask(32, 32)}}); err != nil {
		return fmt.Errorf("add route to %s: %w", server, err)
	}
	return netlink.NeighSet(&netlink.Neigh{LinkIndex: link.Attrs().Index, IP: server, HardwareAddr: net.HardwareAddr{2, 0, 0, 0, 0, 1}, State: netlink.NUD_PERMANENT, Family: unix.AF_INET})
}

func (c *card) close() {
	if c.conn != nil {
		_ = c.conn.Close()
	}
	if c.tap != nil {
		_ = c.tap.Close()
	}
	c.reader.Wait()
}

// settle gives a machine its address.
func (c *card) settle(hw net.HardwareAddr, a netip.Addr) error {
	link, err := netlink.LinkByName(tapName)
	if err != nil {
		return err
	}
	c.mu.Lock()
	c.machines[a] = hw
	c.mu.Unlock()
	ip := &netlink.Addr{IPNet: &net.IPNet{IP: a.AsSlice(), Mask: net.CIDRMask(32, 32)}}
	if err := netlink.AddrReplace(link, ip); err != nil {
		return fmt.Errorf("take address %s: %w", a, err)
	}
	return nil
}

// expect returns what is answered to a transaction, until done is called.
func (c *card) expect(xid uint32) (answers <-chan answer, done func()) {
	ch := make(chan answer, 4)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting[xid] = ch
	return ch, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.waiting, xid)
	}
}

func (c *card) write(frame []byte) error {
	_, err := c.conn.WriteTo(frame, &packet.Addr{HardwareAddr: frame[:6]})
	return err
}

// fromNetwork takes frames to the machines to where they belong.
func (c *card) fromNetwork() {
	buf := make([]byte, 1<<16)
	for {
		n, _, err := c.conn.ReadFrom(buf)
		if err != nil {
			return
		}
		b := buf[:n]
		switch {
		case n >= 42 && b[12] == 8 && b[13] == 6:
			c.arp(b)
		case n >= 42 && b[12] == 8 && b[13] == 0 && b[23] == 17 && binary.BigEndian.Uint16(b[36:]) == clientPort:
			c.deliver(b)
		case n >= 34 && b[12] == 8 && b[13] == 0:
			c.toKernel(b)
		}
	}
}

// arp answers for the machines (RFC 826).
func (c *card) arp(b []byte) {
	who, _ := netip.AddrFromSlice(b[38:42])
	if b[21] != 1 { // a question
		return
	}
	c.mu.Lock()
	hw, ours := c.machines[who]
	c.mu.Unlock()
	if !ours {
		return
	}
	r := append(append([]byte{}, b[22:28]...), hw...)
	r = append(r, 8, 6, 0, 1, 8, 0, 6, 4, 0, 2)
	r = append(append(r, hw...), b[38:42]...)
	r = append(r, b[22:32]...)
	_ = c.write(r) // it asks again
}

func (c *card) deliver(b []byte) {
	a, err := parse(b[42:])
	if err != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.server == nil {
		c.server = append(c.server, b[6:12]...)
	}
	if ch := c.waiting[a.xid]; ch != nil {
		select {
		case ch <- a:
		default: // it has enough of them
		}
	}
}

// toKernel hands the kernel what is for a machine's address.
func (c *card) toKernel(b []byte) {
	to, _ := netip.AddrFromSlice(b[30:34])
	c.mu.Lock()
	_, ours := c.machines[to]
	c.mu.Unlock()
	if !ours {
		return
	}
	copy(b[0:6], c.tapMAC)
	fixTCP(b[14:])
	_, _ = c.tap.Write(b)
}

// fromKernel sends what the kernel has for the server in the machines' names.
func (c *card) fromKernel() {
	buf := make([]byte, 1<<16)
	for {
		n, err := c.tap.Read(buf)
		if err != nil {
			return
		}
		b := buf[:n]
		if n < 34 || b[12] != 8 || b[13] != 0 {
			continue
		}
		from, _ := netip.AddrFromSlice(b[26:30])
		c.mu.Lock()
		hw, ours := c.machines[from]
		to := c.server
		c.mu.Unlock()
		if !ours {
			continue
		}
		copy(b[0:6], to)
		copy(b[6:12], hw)
		_ = c.write(b) // TCP sends it again
	}
}
