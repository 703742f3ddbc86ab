package main

import (
	"context"
	"errors"
	"net"
	"time"

	"bootes.dev/internal/block"
	"bootes.dev/internal/boot"
	"bootes.dev/internal/capture"
	"bootes.dev/internal/cow"
	"bootes.dev/internal/dhcp"
	"bootes.dev/internal/diagnose"
	"bootes.dev/internal/inventory"
	"bootes.dev/internal/iscsi"
	"bootes.dev/internal/layout"
	"bootes.dev/internal/storage"
)

// What the servers saw of a boot reaches package boot here, which may have to
// say why it stopped.

// exchange is a DHCP client's message and what came of it.
func exchange(q dhcp.Query, r dhcp.Reply) boot.Exchange {
	x := boot.Exchange{
		Offer: r.Type == dhcp.Offer, ACK: r.Type == dhcp.ACK, Proxied: q.Port == dhcp.ProxyPort,
		Addr: r.Addr, Refused: r.Reason, Full: errors.Is(r.Err, dhcp.ErrPoolFull),
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

// rivals are the other DHCP servers on an interface's network.
func (h *house) rivals(iface string) (all []diagnose.Server) {
	if h.dhcpd == nil {
		return nil
	}
	for _, o := range h.dhcpd.Others() {
		if o.Interface == iface && !o.Gone {
			all = append(all, diagnose.Server{Addr: o.ServerID, File: o.BootFile, Proxy: o.Proxy()})
		}
	}
	return all
}

// moved is what a boot has moved.
func (h *house) moved(id string) boot.Moved {
	if h.sessions == nil {
		return boot.Moved{}
	}
	m := h.sessions.boots(id, h.targets.of(id))
	if r, machine := h.targets.now.Load(), inventory.MachineOf(id); r != nil && machine != "" {
		m.Unacknowledged = r.server.Unacknowledged(r.boot.Target(machine))
	}
	return m
}

// boots is what one boot has moved, with what it moves by the sessions that are
// open now.
func (s *sessions) boots(id string, open []iscsi.SessionInfo) (m boot.Moved) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.known[id]
	if o == nil {
		return m
	}
	for _, i := range open {
		if i.Owner == id {
			o.count(i.Usage)
			m.Firmware = m.Firmware || i.FromIPXE()
			m.System = m.System || !i.FromIPXE()
		}
	}
	m.Reads, m.Read = o.before.Reads+o.last.Reads, o.read()
	m.Writes, m.Written = o.before.Writes+o.last.Writes, o.written()
	return m
}

// look tells package boot what the firmware of a machine finds on its disk.
func (g *gate) look(ctx context.Context, ad *boot.Admitted, d *storage.Opened) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	l, err := layout.Read(ctx, d, d.Size())
	if err != nil {
		g.log.Debug("beginning of a disk could not be read", "volume", ad.Boot.Volume, "err", err)
	}
	g.boot.Opened(ad.Boot, l, nil)
}

// observed is a boot's disk whose errors its diagnosis may have to name.
type observed struct {
	*storage.Opened
	failed func(error)
}

func (o observed) ReadAt(p []byte, off int64) (int, error) {
	n, err := o.Opened.ReadAt(p, off)
	o.see(err)
	return n, err
}

func (o observed) WriteAt(p []byte, off int64) (int, error) {
	n, err := o.Opened.WriteAt(p, off)
	o.see(err)
	return n, err
}

func (o observed) Flush() error {
	err := o.Opened.Flush()
	o.see(err)
	return err
}

func (o observed) see(err error) {
	if err != nil && (errors.Is(err, block.ErrNoSpace) || errors.Is(err, block.ErrCorrupt)) {
		o.failed(err)
	}
}

// observe is a boot's disk for its initiators; errors of it are told of.
func (g *gate) observe(ad *boot.Admitted, d *storage.Opened) block.Device {
	if d == nil {
		return nil
	}
	return observed{d, func(err error) {
		g.boot.DiskFails(ad.Boot, boot.DiskFailure{Err: err, AtLimit: errors.Is(err, cow.ErrLimit), Limit: d.Limit()})
	}}
}

// knocks are what a machine sent to our ports since then.
func (h *house) knocks(mac string, since time.Time) (k diagnose.Knocks, accepted int) {
	hw, err := net.ParseMAC(mac)
	if err != nil || h.packets == nil {
		return k, 0
	}
	seen := h.packets.Knocks(capture.Span{MAC: hw, From: since})
	return diagnose.Knocks{Known: true, TFTP: seen.TFTP, HTTP: seen.HTTP, ISCSI: seen.ISCSI}, seen.Accepted
}
