package main

import (
	"net"
	"path/filepath"

	"bootes.dev/internal/api"
	"bootes.dev/internal/capture"
	"bootes.dev/internal/dhcp"
)

func (h *house) openPackets() (*capture.Capture, error) {
	o := capture.Options{
		Ports: capture.Ports{HTTP: uint16(h.cfg.Ports.HTTP), TFTP: uint16(h.cfg.Ports.TFTP), ISCSI: uint16(h.cfg.Ports.ISCSI)},
		Dir:   filepath.Join(h.cfg.Data, "recorder", "packets"), Log: h.log,
		Known: h.knows, Ours: dhcp.IsProbe, Behind: h.locator.Behind, Simulated: h.boot.SimulatedBy, Ticket: h.boot.HasTicket, Doubled: h.doubled,
	}
	for _, i := range h.cfg.Interfaces {
		o.Interfaces = append(o.Interfaces, i.Name)
	}
	return capture.Open(o)
}

type packets struct{ *house }

func (h packets) Packets(spans []api.Span) []byte {
	return capture.File(h.packets.Packets(captured(spans)...))
}

func (h packets) PacketLines(spans []api.Span) (lines []api.PacketLine) {
	for _, l := range h.packets.Lines(captured(spans)...) {
		lines = append(lines, api.PacketLine(l))
	}
	return lines
}

func captured(spans []api.Span) (wanted []capture.Span) {
	for _, s := range spans {
		mac, err := net.ParseMAC(s.MAC)
		if err != nil {
			continue // a boot without one
		}
		wanted = append(wanted, capture.Span{MAC: mac, From: s.From, To: s.To})
	}
	return wanted
}

// doubled tells that an interface hears each message twice.
func (h *house) doubled(iface string) {
	const remedy = "look for a cable between two ports of one switch, or of two that are connected already, and pull it; spanning tree on the switches finds such loops"
	h.log.Warn("packets of machines arrive twice: the switches are connected in a loop, or two ways lead here", "interface", iface, "remedy", remedy)
	h.boot.NetworkWarning(iface, "packets arrive twice: the switches are connected in a loop, or two ways lead here. Remedy: "+remedy)
}
