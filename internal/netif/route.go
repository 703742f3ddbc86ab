package netif

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
)

// Route is the way from this host to an address.
type Route struct {
	Interface string
	Gateway   netip.Addr // zero: none, the address is on the interface's wire
	Default   bool       // no route names the address's network
}

// RouteTo is the kernel's route to an address. Without one, the error says so.
func RouteTo(a netip.Addr) (Route, error) {
	found, err := netlink.RouteGetWithOptions(a.AsSlice(), &netlink.RouteGetOptions{FIBMatch: true})
	if err != nil || len(found) == 0 {
		return Route{}, fmt.Errorf("find a route to %s: %w", a, err)
	}
	r := found[0]
	index, gw := r.LinkIndex, r.Gw
	if len(r.MultiPath) > 0 {
		index, gw = r.MultiPath[0].LinkIndex, r.MultiPath[0].Gw
	}
	ifi, err := net.InterfaceByIndex(index)
	if err != nil {
		return Route{}, fmt.Errorf("find a route to %s: %w", a, err)
	}
	to := Route{Interface: ifi.Name, Default: r.Dst == nil}
	if r.Dst != nil {
		ones, _ := r.Dst.Mask.Size()
		to.Default = ones == 0
	}
	to.Gateway, _ = netip.AddrFromSlice(gw)
	to.Gateway = to.Gateway.Unmap()
	return to, nil
}
