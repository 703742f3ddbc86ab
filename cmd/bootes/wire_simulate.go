package main

import (
	"context"
	"errors"
	"fmt"
	"net"

	"bootes.dev/internal/api"
	"bootes.dev/internal/boot"
	"bootes.dev/internal/dhcp"
	"bootes.dev/internal/netif"
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
