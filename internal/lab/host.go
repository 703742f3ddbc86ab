package lab

import (
	"context"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
)

// Host is a computer on the network without a machine behind it: a network
// namespace of its own with one card, in which programs run as on a PC of the
// room.
type Host struct {
	net    *Net
	thread *thread
}

// nic is the name of a Host's network card.
const nic = "eth0"

// NewHost connects a computer to the network. It goes with the network.
func (n *Net) NewHost(mac string, addr netip.Addr) (*Host, error) {
	hw, err := net.ParseMAC(mac)
	if err != nil {
		return nil, fmt.Errorf("make host: %w", err)
	}
	t, err := newThread()
	if err != nil {
		return nil, fmt.Errorf("make host: %w", err)
	}
	n.onClose(func() error { t.close(); return nil })
	n.addThread(t)
	port := n.linkName()
	err = n.Do(func() error {
		link := &netlink.Veth{
			LinkAttrs: netlink.LinkAttrs{Name: port}, PeerName: nic, PeerHardwareAddr: hw,
			PeerNamespace: netlink.NsPid(t.tid),
		}
		if err := netlink.LinkAdd(link); err != nil {
			return fmt.Errorf("add cable: %w", err)
		}
		return plug(port)
	})
	if err == nil {
		err = t.do(func() error { return setUp(netip.PrefixFrom(addr, n.server.Bits())) })
	}
	if err != nil {
		return nil, fmt.Errorf("make host: %w", err)
	}
	return &Host{net: n, thread: t}, nil
}

// setUp gives the card its address.
func setUp(addr netip.Prefix) error {
	link, err := netlink.LinkByName(nic)
	if err != nil {
		return fmt.Errorf("find %s: %w", nic, err)
	}
	a, err := netlink.ParseAddr(addr.String())
	if err != nil {
		return err
	}
	if err := netlink.AddrAdd(link, a); err != nil {
		return fmt.Errorf("add address %s: %w", addr, err)
	}
	if err := netlink.LinkSetUp(link); err != nil {
		return fmt.Errorf("set %s up: %w", nic, err)
	}
	return nil
}

// Do runs f in the host's network namespace, like Net.Do.
func (h *Host) Do(f func() error) error { return h.thread.do(f) }

// Run runs a program on the host to its end, like Net.Run.
func (h *Host) Run(ctx context.Context, path string, args ...string) ([]byte, error) {
	return runIn(ctx, h.thread.do, h.net.dir, path, args...)
}

// Start starts a program on the host, like Net.Start.
func (h *Host) Start(p Program) (*Process, error) { return h.net.startIn(h.thread.do, p) }
