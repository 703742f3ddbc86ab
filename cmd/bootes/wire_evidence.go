package main

import (
	"errors"
	"net"
	"net/netip"
	"path"
	"time"

	"bootes.dev/internal/boot"
	"bootes.dev/internal/capture"
	"bootes.dev/internal/dhcp"
	"bootes.dev/internal/diagnose"
	"bootes.dev/internal/inventory"
)

// What the servers saw of a boot reaches package boot here, which may have to
// say why it stopped.

// exchange is a DHCP client's message and what came of it.
func exchange(q dhcp.Query, r dhcp.Reply) boot.Exchange {
	x := boot.Exchange{
		Offer: r.Type == dhcp.Offer, ACK: r.Type == dhcp.ACK, Proxied: q.Port == dhcp.ProxyPort,
		Addr: r.Addr, Refused: r.Reason, Full: errors.Is(r.Err, dhcp.ErrPoolFull),
		Routerless: r.Routerless, Pool: fullPool(r.Full),
	}
	if r.Looking {
		x.Refused = ""
	}
	if r.Boot {
		x.File = r.Decision.Filename
	}
	if r.Decision.Filename == "" {
		x.NoBoot = r.Decision.Reason
	}
	if q.Type == dhcp.Request && q.Port == dhcp.ServerPort && q.ServerID.IsValid() && q.ServerID != q.Server {
		x.Addr, x.From = q.Requested, q.ServerID
	}
	return x
}

func fullPool(f dhcp.FullPool) boot.Pool {
	p := boot.Pool{Network: f.Network, Range: f.Range, Addresses: f.Addresses}
	for _, r := range f.Pools {
		p.Pools = append(p.Pools, inventory.Pool(r))
	}
	return p
}

// rivals are the other DHCP servers on an interface's network.
func (h *house) rivals(iface string) (all []diagnose.Server) {
	if h.dhcpd == nil {
		return nil
	}
	for _, o := range h.dhcpd.Others() {
		if o.Interface == iface && !o.Gone {
			all = append(all, diagnose.Server{Addr: o.ServerID, MAC: o.MAC, File: o.BootFile, Next: o.NextServer, Proxy: o.Proxy()})
		}
	}
	return all
}

// knocks are what a machine sent to our ports since then.
func (h *house) knocks(mac string, since time.Time) (k diagnose.Knocks, accepted int) {
	hw, err := net.ParseMAC(mac)
	if err != nil || h.packets == nil {
		return k, 0
	}
	seen := h.packets.Knocks(capture.Span{MAC: hw, From: since})
	return diagnose.Knocks{Known: true, TFTP: seen.TFTP, HTTP: seen.HTTP, ISCSI: seen.ISCSI, Proxy: seen.Proxy, Answered: seen.Answered}, seen.Accepted
}

// sentTo is the largest file that is on its way to an address.
func (h *house) sentTo(to netip.Addr) (largest diagnose.File) {
	note := func(remote netip.Addr, f diagnose.File) {
		if remote == to && f.Size > largest.Size {
			largest = f
		}
	}
	for _, p := range h.byTFTP.UnderWay() {
		note(p.Client.Addr(), diagnose.File{Name: p.Name, Proto: "TFTP", Began: p.Began, Done: p.Done, Size: p.Size, Resent: p.Resent})
	}
	for _, p := range h.byHTTP.UnderWay() {
		note(p.Remote.Addr(), diagnose.File{Name: path.Base(p.Path), Proto: "HTTP", Began: p.Began, Done: p.Done, Size: p.Size})
	}
	return largest
}

// heard is what a machine's network card has sent since then.
func (h *house) heard(mac string, since time.Time) (seen diagnose.Heard) {
	hw, err := net.ParseMAC(mac)
	if err != nil || h.packets == nil {
		return seen
	}
	seen.Known = true
	seen.Anything, seen.From = h.packets.Heard(hw, since)
	return seen
}
