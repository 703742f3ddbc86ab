package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"bootes.dev/internal/boot"
	"bootes.dev/internal/config"
	"bootes.dev/internal/dhcp"
	"bootes.dev/internal/inventory"
	"bootes.dev/internal/loaders"
	"bootes.dev/internal/locator"
	"bootes.dev/internal/metrics"
)

// dhcpPolicy lets package boot decide what DHCP clients are told.
type dhcpPolicy struct {
	boot     *boot.Service
	locator  *locator.Locator
	counters *metrics.Counters
}

var firmwares = map[dhcp.Firmware]loaders.Firmware{
	dhcp.FirmwareNone:  loaders.NoFirmware,
	dhcp.FirmwareOther: loaders.OtherROM,
	dhcp.BIOS:          loaders.BIOS,
	dhcp.EFIIA32:       loaders.EFI32,
	dhcp.EFIX64:        loaders.EFI64,
	dhcp.EFIARM32:      loaders.EFIARM32,
	dhcp.EFIARM64:      loaders.EFIARM64,
	dhcp.EFIRISCV64:    loaders.EFIRISCV64,
	dhcp.EFILoong64:    loaders.EFILoong64,
	dhcp.UBootARM32:    loaders.UBootARM32,
	dhcp.UBootARM64:    loaders.UBootARM64,
	dhcp.RaspberryPi:   loaders.RaspberryPi,
	dhcp.HTTPIA32:      loaders.HTTP32,
	dhcp.HTTPX64:       loaders.HTTP64,
	dhcp.HTTPARM32:     loaders.HTTPARM32,
	dhcp.HTTPARM64:     loaders.HTTPARM64,
	dhcp.HTTPRISCV64:   loaders.HTTPRISCV64,
	dhcp.HTTPLoong64:   loaders.HTTPLoong64,
}

func client(q dhcp.Query) boot.Client {
	c := boot.Client{
		MAC:       q.MAC,
		Interface: q.Interface,
		Server:    q.Server,
		Firmware:  firmwares[q.Firmware],
		IPXE:      q.IPXE,
		Discover:  q.Type == dhcp.Discover,
		Relay:     q.Relay,
		From:      q.From,
		Network:   q.Network,
		Proxy:     q.Mode == dhcp.ModeProxy,
		Late:      time.Duration(q.Secs) * time.Second,
		Xid:       q.Xid,
		UUID:      q.UUID,

		Features:   q.Features,
		AsksAsIPXE: q.AsksAsIPXE,

		Simulated:  q.Simulated,
		Simulation: q.Simulation,
	}
	if !q.NetBoot {
		c.Firmware, c.IPXE = loaders.NoFirmware, false
	}
	return c
}

func (p dhcpPolicy) Decide(ctx context.Context, q dhcp.Query) dhcp.Decision {
	a := p.boot.DHCP(ctx, client(q))
	return dhcp.Decision{
		Machine:  a.Machine,
		Hostname: a.Hostname,
		Serve:    a.Known,
		Boot:     a.Filename != "",
		Filename: a.Filename,
		RootPath: a.RootPath,
		Address:  a.Address,
		Reason:   a.Reason,
	}
}

func (p dhcpPolicy) Sent(q dhcp.Query, r dhcp.Reply) {
	c := client(q)
	if q.Simulated {
		p.boot.SimulatedSent(c, r.Addr, simulateText(q, r))
		return
	}
	p.locator.Hear(q)
	defer p.boot.Exchanged(c, r.Decision.Machine, exchange(q, r)) // once its message is on record
	p.countDHCP(q, r)
	switch {
	case r.Err != nil:
		p.boot.DHCPSent(c, r.Decision.Machine, fmt.Sprintf("no answer to %s: %v", q.Type, r.Err), true)
	case q.Mode == dhcp.ModeProxy && q.Type == dhcp.Request && q.Port == dhcp.ServerPort:
		if q.ServerID.IsValid() {
			p.boot.DHCPSent(c, r.Decision.Machine, fmt.Sprintf("takes address %s from DHCP server %s%s", q.Requested, q.ServerID, rogueText(r)), r.Rogue)
		}
	case r.Type == 0:
		if q.NetBoot || q.Mode == dhcp.ModeServer { // a proxy has no word for systems
			p.boot.DHCPSent(c, r.Decision.Machine, fmt.Sprintf("no answer to %s%s: %s%s", q.Type, yet(r), r.Reason, rogueText(r)), r.Rogue)
		}
	default:
		p.boot.DHCPSent(c, r.Decision.Machine, sentText(q, r), false)
	}
}

// yet says of an answer that one will come.
func yet(r dhcp.Reply) string {
	if r.Looking {
		return " yet"
	}
	return ""
}

// rogueText says what is odd about the server whose offer a client takes.
func rogueText(r dhcp.Reply) string {
	if !r.Rogue {
		return ""
	}
	return ", which was not here before: two DHCP servers on one network give out clashing addresses, switch one off"
}

func sentText(q dhcp.Query, r dhcp.Reply) string {
	text := r.Type.String()
	if r.Addr.IsValid() {
		text += " " + r.Addr.String()
	}
	if r.Instead != "" {
		text += fmt.Sprintf(" instead of %s, which is kept for %s and %s", r.Decision.Address, r.Decision.Machine, r.Instead)
	}
	switch {
	case r.Boot && strings.Contains(r.Decision.Filename, "://"):
		return text + ", boot file " + r.Decision.Filename
	case r.Boot:
		from := r.Decision.NextServer
		if !from.IsValid() {
			from = q.Server
		}
		return fmt.Sprintf("%s, boot file %s from %s", text, r.Decision.Filename, from)
	case r.Type == dhcp.NAK:
		return text + ": " + r.Reason
	}
	if r.Reason != "" {
		return text + ", nothing to boot: " + r.Reason
	}
	return text
}

func (h *house) knows(mac net.HardwareAddr) bool {
	return h.inv.Knows(context.Background(), mac) || h.boot.Simulates(mac)
}

// leaseBook keeps DHCP's leases in the inventory.
type leaseBook struct{ inv *inventory.Inventory }

func leaseRequest(r dhcp.LeaseRequest) inventory.LeaseRequest {
	q := inventory.LeaseRequest{
		MAC: r.MAC, Interface: r.Interface, Subnets: r.Subnets, Wanted: r.Wanted,
		TTL: r.TTL, Hostname: r.Hostname, Exclude: r.Exclude, Look: r.Look, Pools: make([]inventory.Pool, len(r.Pools)),
	}
	for i, p := range r.Pools {
		q.Pools[i] = inventory.Pool(p)
	}
	return q
}

// leased translates the inventory's answer.
func leased(l inventory.Lease, err error) (dhcp.Lease, error) {
	switch {
	case err == nil:
	case errors.Is(err, inventory.ErrLeaseTaken):
		err = dhcp.ErrLeaseTaken
	case errors.Is(err, inventory.ErrOutOfPool):
		err = dhcp.ErrOutOfPool
	case errors.Is(err, inventory.ErrPoolFull):
		err = dhcp.ErrPoolFull
	}
	return dhcp.Lease{Addr: l.Addr, MAC: l.MAC, Expires: l.Expires, New: l.New}, err
}

func (b leaseBook) Offer(ctx context.Context, r dhcp.LeaseRequest) (dhcp.Lease, error) {
	return leased(b.inv.Offer(ctx, leaseRequest(r)))
}

func (b leaseBook) Commit(ctx context.Context, r dhcp.LeaseRequest) (dhcp.Lease, error) {
	return leased(b.inv.Commit(ctx, leaseRequest(r)))
}

func (b leaseBook) Release(ctx context.Context, mac net.HardwareAddr, addr netip.Addr) error {
	return b.inv.Release(ctx, mac, addr)
}

func (b leaseBook) Decline(ctx context.Context, mac net.HardwareAddr, addr netip.Addr) error {
	return b.inv.Decline(ctx, mac, addr)
}

func dhcpInterfaces(cfg *config.Config) []dhcp.InterfaceConfig {
	var all []dhcp.InterfaceConfig
	for _, i := range cfg.Interfaces {
		if i.DHCP == config.Off {
			continue
		}
		c := dhcp.InterfaceConfig{
			Name: i.Name, Mode: dhcp.ModeProxy, Auto: i.DHCP == config.Auto, Subnets: dhcpSubnets(i),
			Force: i.Force, ServeUnknown: i.ServeUnknown, Probe: i.Conflicts,
		}
		if i.DHCP == config.Server {
			c.Mode = dhcp.ModeServer
		}
		all = append(all, c)
	}
	return all
}

func dhcpSubnets(i config.Interface) (all []dhcp.Subnet) {
	subnets := i.Subnets
	if len(i.Ranges) > 0 { // else its own network is not served
		subnets = append([]config.Subnet{i.Subnet}, subnets...)
	}
	for _, s := range subnets {
		to := dhcp.Subnet{
			Prefix: s.Prefix, Pools: dhcpPools(s.Ranges), Exclude: dhcpPools(s.Exclude), Router: s.Router,
			DNS: s.DNS, NTP: s.NTP, Domain: s.Domain, LeaseTime: s.Lease, Renew: s.Renew, Rebind: s.Rebind,
		}
		for _, r := range s.Routes {
			to.Routes = append(to.Routes, dhcp.Route(r))
		}
		for _, o := range s.Options {
			to.Options = append(to.Options, dhcp.Option(o))
		}
		for _, h := range s.Hosts {
			to.Hosts = append(to.Hosts, dhcp.Host{MAC: h.MAC, Addr: h.Address, Name: h.Name})
		}
		all = append(all, to)
	}
	return all
}

func dhcpPools(ranges []config.Range) []dhcp.Pool {
	all := make([]dhcp.Pool, len(ranges))
	for i, r := range ranges {
		all[i] = dhcp.Pool(r)
	}
	return all
}
