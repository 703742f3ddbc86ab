package main

import (
	"context"
	"net/netip"
	"time"

	"bootes.dev/internal/config"
	"bootes.dev/internal/dhcp"
	"bootes.dev/internal/inventory"
	"bootes.dev/internal/metrics"
	"bootes.dev/internal/recorder"
)

// room is what there is of machines, addresses and sessions, for Prometheus.
func (h *house) room() (metrics.Room, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	machines, err := h.inv.CountMachines(ctx)
	if err != nil {
		return metrics.Room{}, err
	}
	waiting, err := h.inv.CountWaiting(ctx)
	if err != nil {
		return metrics.Room{}, err
	}
	nets, err := h.networks(ctx)
	if err != nil {
		return metrics.Room{}, err
	}
	r := metrics.Room{Machines: machines, Waiting: waiting, Networks: nets, Sessions: map[string]int{"firmware": 0, "system": 0}}
	r.Booting, r.Stalled = h.underWay()
	for _, s := range h.targets.Sessions() {
		if s.FromIPXE() {
			r.Sessions["firmware"]++
		} else {
			r.Sessions["system"]++
		}
	}
	if h.dhcpd != nil {
		r.Servers = otherServers(h.cfg, h.dhcpd.Others())
	}
	return r, nil
}

// beforeRunning are the stages before the system runs.
var beforeRunning = []recorder.Stage{
	recorder.StageFirmware, recorder.StageLoader, recorder.StageIPXE, recorder.StageScript, recorder.StageLogin, recorder.StageRead, recorder.StageKernel,
}

func (h *house) underWay() (byStage map[string]int, stalled int) {
	reached, stalled := h.rec.UnderWay()
	byStage = map[string]int{}
	for _, st := range beforeRunning {
		byStage[string(st)] = reached[st]
	}
	return byStage, stalled
}

// networks are those that the config gives addresses on.
func (h *house) networks(ctx context.Context) (all []metrics.Network, err error) {
	var pools [][]inventory.Pool
	for _, i := range h.cfg.Interfaces {
		if i.DHCP != config.Server {
			continue
		}
		for _, s := range append([]config.Subnet{i.Subnet}, i.Subnets...) {
			if len(s.Ranges) == 0 {
				continue
			}
			n, in := metrics.Network{Prefix: networkName(s)}, make([]inventory.Pool, len(s.Ranges))
			for i, r := range s.Ranges {
				n.Size += addresses(r.First, r.Last)
				in[i] = inventory.Pool(r)
			}
			all, pools = append(all, n), append(pools, in)
		}
	}
	leased, err := h.inv.CountLeases(ctx, pools)
	for i, n := range leased {
		all[i].Leased = n
	}
	return all, err
}

// networkName is the prefix of s, or its range, if the config leaves the prefix
// to the interface.
func networkName(s config.Subnet) string {
	if s.Prefix.IsValid() {
		return s.Prefix.String()
	}
	return s.Ranges[0].String()
}

// addresses is how many IPv4 addresses there are from first to last.
func addresses(first, last netip.Addr) int {
	a, b := first.As4(), last.As4()
	n := 1
	for i := range a {
		n += (int(b[i]) - int(a[i])) << (8 * (3 - i))
	}
	return n
}

func otherServers(cfg *config.Config, others []dhcp.Other) (all []metrics.DHCPServer) {
	for _, i := range cfg.Interfaces {
		servers, proxies := metrics.DHCPServer{Interface: i.Name, Kind: "server"}, metrics.DHCPServer{Interface: i.Name, Kind: "proxy"}
		for _, o := range others {
			to := &servers
			if o.Proxy() {
				to = &proxies
			}
			switch {
			case o.Interface != i.Name || o.Gone:
			case o.Unexpected:
				to.Unexpected++
			default:
				to.Expected++
			}
		}
		all = append(all, servers, proxies)
	}
	return all
}

// traffic is what all disks have been asked.
func (h *house) traffic() (all []metrics.Traffic) {
	totals := h.targets.Totals()
	if totals == nil {
		return nil
	}
	for _, op := range ops {
		all = append(all, metrics.Traffic{Op: op.String(), Count: totals[op].Count, Bytes: totals[op].Bytes})
	}
	return all
}

// tally passes on what a recorder sees, in the words of metrics.
type tally struct{ *metrics.Counters }

func (c tally) BootEnded(b *recorder.Boot) {
	kind := ""
	if b.Diagnosis != nil {
		kind = b.Diagnosis.Kind
	}
	c.Counters.BootEnded(string(b.Outcome), string(b.Stage), kind)
}

func (c tally) StageLeft(st recorder.Stage, took time.Duration) {
	c.Counters.StageLeft(string(st), took)
}

// countDHCP counts a message and what it was answered with.
func (p dhcpPolicy) countDHCP(q dhcp.Query, r dhcp.Reply) {
	message, answer := "other", "none"
	if q.Type >= dhcp.Discover && q.Type <= dhcp.Inform {
		message = q.Type.String()
	}
	switch {
	case r.Err != nil:
		answer = "error"
	case r.Type != 0:
		answer = r.Type.String()
	}
	p.counters.DHCP(message, answer)
}
