package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"bootes.dev/internal/api"
	"bootes.dev/internal/block"
	"bootes.dev/internal/boot"
	"bootes.dev/internal/dhcp"
	"bootes.dev/internal/inventory"
	"bootes.dev/internal/iscsi"
	"bootes.dev/internal/netif"
	"bootes.dev/internal/scsi"
	"bootes.dev/internal/storage"
)

// simulateText is what a simulated client is told of the answer to its message.
func simulateText(q dhcp.Query, r dhcp.Reply) string {
	switch {
	case r.Err != nil:
		return fmt.Sprintf("no answer to %s: %v", q.Type, r.Err)
	case r.Type == 0:
		return fmt.Sprintf("no answer to %s: %s", q.Type, r.Reason)
	}
	return sentText(q, r)
}

// openLook makes the one logical unit of a simulated machine: what it would boot,
// to read. Its identity is not among them, which holds secrets.
func (g *gate) openLook(ctx context.Context, v inventory.Volume) (iscsi.Units, error) {
	if v.ID == "" {
		u, err := g.imageUnit(ctx, v.Image)
		return iscsi.Units{bootDisk: u}, err
	}
	d, err := g.storage.Peek(ctx, v.ID)
	if err != nil {
		return nil, err
	}
	id := scsi.Identity{Vendor: "BOOTES", Product: "DISK", Revision: "1", Serial: v.ID, UUID: diskUUID(v.ID), BlockSize: int(v.BlockSize), ReadOnly: true}
	return iscsi.Units{bootDisk: {Disk: scsi.NewDisk(d, id)}}, nil
}

var _ block.Device = (*storage.Peeked)(nil)

// simulations are begun and ended by the API.
type simulations struct{ *house }

func (h simulations) Simulate(ctx context.Context, n api.NewSimulation) (api.Simulation, error) {
	var macs []net.HardwareAddr
	for _, text := range n.MACs {
		mac, err := net.ParseMAC(text)
		if err != nil || len(mac) != 6 {
			return api.Simulation{}, api.Errorf(api.Invalid, "%q is no MAC address", text)
		}
		macs = append(macs, mac)
	}
	sim, err := h.boot.Simulate(ctx, macs, n.Image)
	if errors.Is(err, boot.ErrTickets) {
		return api.Simulation{}, api.Errorf(api.Conflict, "%w", err)
	}
	out := api.Simulation{ID: sim.ID, Ticket: sim.Ticket, Expires: sim.Expires, Servers: h.scriptServers(), Machines: []api.SimulatedMachine{}}
	for _, s := range sim.Seats {
		out.Machines = append(out.Machines, api.SimulatedMachine{MAC: s.MAC.String(), Machine: s.Machine.Name, UUID: s.Machine.SystemUUID(), Image: s.Machine.Image})
	}
	return out, apiError(err)
}

func (h simulations) Remarks(_ context.Context, id string) ([]string, error) {
	all, err := h.boot.Remarks(id)
	return all, apiError(err)
}

func (h simulations) EndSimulation(_ context.Context, id string) error {
	return apiError(h.boot.EndSimulation(id))
}

// scriptServers are the addresses at which machines find their scripts.
func (h simulations) scriptServers() []string {
	all := []string{}
	for _, i := range h.cfg.Interfaces {
		if i.HTTP.IsValid() {
			all = append(all, i.HTTP.String())
			continue
		}
		n, err := netif.ByName(i.Name)
		if err != nil {
			continue // it is gone, and nobody can ask there
		}
		for _, p := range n.Addrs {
			all = append(all, p.Addr().String())
		}
	}
	return all
}

// endSimulation ends the sessions of a simulated machine.
func (t *targets) endSimulation(target string) {
	r := t.now.Load()
	if r == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_ = r.server.EndSessions(ctx, target, "the simulation is over") // they end all the same, later
}
