package config

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
)

// Codes of options that name routers: RFC 2132, 3.5, and RFC 3442.
const (
	optRouter = 3
	optRoutes = 121
)

// Warning is what is no fault, and will likely keep machines from booting.
type Warning struct {
	What  string `json:"what"`
	Right string `json:"right"`
}

func (w Warning) String() string { return w.What + "; " + w.Right }

// Warnings looks at the interfaces, too, as they are now.
func (c *Config) Warnings() (all []Warning) {
	for _, i := range c.Interfaces {
		if i.DHCP != Server {
			continue
		}
		for _, s := range i.Subnets {
			if !s.routed() && !onWire(i.Name, s.Prefix) {
				all = append(all, Warning{
					fmt.Sprintf("the machines of %s, behind a relay on %s, are told no router, so they know no way to this server", s.Prefix, i.Name),
					fmt.Sprintf("write `router: ADDRESS` beside `prefix: %s`, the address of their router there", s.Prefix)})
			}
		}
	}
	return all
}

// routed reports whether the subnet's machines are told a way out of it.
func (s Subnet) routed() bool {
	return s.Router.IsValid() || len(s.Routes) > 0 ||
		slices.ContainsFunc(s.Options, func(o Option) bool { return o.Code == optRouter || o.Code == optRoutes })
}

// onWire reports whether an interface has an address in a network now: its machines
// need no router.
func onWire(ifname string, p netip.Prefix) bool {
	ifi, err := net.InterfaceByName(ifname)
	if err != nil {
		return false
	}
	addrs, _ := ifi.Addrs()
	return slices.ContainsFunc(addrs, func(a net.Addr) bool {
		own, err := netip.ParsePrefix(a.String())
		return err == nil && p.Contains(own.Addr())
	})
}
