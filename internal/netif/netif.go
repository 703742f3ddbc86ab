// Package netif tells what the servers must know of this host's network: the
// interfaces and their addresses, which Ethernet address stands behind an IPv4
// neighbour, and which program holds a port.
//
// Every look-up reads the network namespace of the calling thread and keeps
// nothing: addresses come and go while a server runs.
package netif

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
)

// ErrNotExist: there is no interface of that name.
var ErrNotExist = errors.New("no such interface")

// Interface is one network interface as it was when it was asked for.
type Interface struct {
	Name  string
	Index int
	MTU   int
	MAC   net.HardwareAddr // nil for interfaces that have none
	Up    bool
	Addrs []netip.Prefix // each address with its prefix length, IPv4 unmapped
}

// ByName finds an interface. The error for an unknown name wraps ErrNotExist
// and lists the names that exist.
func ByName(name string) (Interface, error) {
	ifi, err := net.InterfaceByName(name)
	if err != nil {
		return Interface{}, fmt.Errorf("find interface %q: %w (this host has: %s)",
			name, ErrNotExist, strings.Join(Names(), ", "))
	}
	return fromNet(ifi)
}

// List returns all interfaces in the order of their index.
func List() ([]Interface, error) {
	ifis, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("list interfaces: %w", err)
	}
	list := make([]Interface, 0, len(ifis))
	for i := range ifis {
		ifc, err := fromNet(&ifis[i])
		if err != nil {
			return nil, err
		}
		list = append(list, ifc)
	}
	return list, nil
}

// Names returns the names of all interfaces, none if they cannot be had.
func Names() []string {
	ifis, _ := net.Interfaces()
	names := make([]string, 0, len(ifis))
	for _, ifi := range ifis {
		names = append(names, ifi.Name)
	}
	return names
}

func fromNet(ifi *net.Interface) (Interface, error) {
	addrs, err := ifi.Addrs()
	if err != nil {
		return Interface{}, fmt.Errorf("read addresses of interface %q: %w", ifi.Name, err)
	}
	out := Interface{
		Name: ifi.Name, Index: ifi.Index, MTU: ifi.MTU,
		MAC: ifi.HardwareAddr, Up: ifi.Flags&net.FlagUp != 0,
	}
	for _, a := range addrs {
		n, ok := a.(*net.IPNet)
		if !ok {
			continue
		}
		ip, _ := netip.AddrFromSlice(n.IP)
		ones, _ := n.Mask.Size()
		out.Addrs = append(out.Addrs, netip.PrefixFrom(ip.Unmap(), ones))
	}
	return out, nil
}

// IPv4 is the interface's first IPv4 address with its prefix.
func (i Interface) IPv4() (netip.Prefix, bool) {
	for _, p := range i.Addrs {
		if p.Addr().Is4() {
			return p, true
		}
	}
	return netip.Prefix{}, false
}

// IPv4For is the address by which a client on this interface reaches us: the
// one whose network holds the client, else the first.
func (i Interface) IPv4For(client netip.Addr) (netip.Prefix, bool) {
	client = client.Unmap()
	for _, p := range i.Addrs {
		if p.Addr().Is4() && p.Contains(client) {
			return p, true
		}
	}
	return i.IPv4()
}
