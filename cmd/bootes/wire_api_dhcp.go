package main

import (
	"context"
	"net/netip"

	"bootes.dev/internal/api"
	"bootes.dev/internal/netif"
)

type dhcpStatus struct{ *house }

func (h dhcpStatus) DHCP(context.Context) ([]api.DHCPStatus, error) {
	others := h.dhcpd.Others()
	var all []api.DHCPStatus
	for _, i := range h.cfg.Interfaces {
		s := api.DHCPStatus{Interface: i.Name, Mode: string(i.DHCP)}
		if n, err := netif.ByName(i.Name); err == nil {
			if p, ok := n.IPv4(); ok {
				s.Address = p.Addr().String()
			}
		}
		for _, o := range others {
			if o.Interface != i.Name {
				continue
			}
			x := api.DHCPServer{
				Server: text(o.ServerID), Kind: "server", From: text(o.Source), MAC: o.MAC, BootFile: o.BootFile, NextServer: text(o.NextServer),
				Since: o.Since, Last: o.Last, Gone: o.Gone, Unexpected: o.Unexpected,
			}
			if o.Proxy() {
				x.Kind = "proxy"
			}
			s.Others = append(s.Others, x)
		}
		all = append(all, s)
	}
	return all, nil
}

// text is an address in words, "" if it is none.
func text(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}
