package doctor

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"

	"bootes.dev/internal/config"
	"bootes.dev/internal/netif"
)

// nameServer is a DNS server that machines are told.
type nameServer struct {
	addr  netip.Addr
	iface string
	err   error // it does not answer
}

// lookAtDNS asks all DNS servers of the config at once, for a name that each of them
// knows or denies.
func (o Options) lookAtDNS(ctx context.Context) (all []nameServer) {
	for _, i := range o.interfaces() {
		if i.DHCP != config.Server {
			continue
		}
		for _, s := range append([]config.Subnet{i.Subnet}, i.Subnets...) {
			for _, a := range s.DNS {
				if n := (nameServer{addr: a, iface: i.Name}); !slices.Contains(all, n) {
					all = append(all, n)
				}
			}
		}
	}
	var asked sync.WaitGroup
	for i := range all {
		asked.Go(func() { _, all[i].err = netif.Lookup(ctx, all[i].addr, "localhost") })
	}
	asked.Wait()
	return all
}

func judgeDNS(all []nameServer) []Finding {
	g := group{check: "DNS servers"}
	for _, n := range all {
		if n.err == nil {
			g.ok(fmt.Sprintf("%s, which machines on %s are told, answers", n.addr, n.iface))
			continue
		}
		g.warn(fmt.Sprintf("%s, which machines on %s are told (dns:), does not answer this server: their systems wait for it, and find nobody by name", n.addr, n.iface),
			fmt.Sprintf("switch it on, let udp/53 from here through, or put the right address into dns: of %s in the config", n.iface))
	}
	return g.all
}
