package netif

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/vishvananda/netlink"
)

// neighbourRetry is how long an entry that the kernel is still resolving is
// left alone before it is read again.
const neighbourRetry = 20 * time.Millisecond

// usable are the states in which an entry's link-layer address was once proven.
const usable = netlink.NUD_REACHABLE | netlink.NUD_STALE | netlink.NUD_DELAY |
	netlink.NUD_PROBE | netlink.NUD_PERMANENT

// MACOf reads the kernel's neighbour table: which Ethernet address answers for
// ip. With ifname "" every interface is searched. While the kernel is still
// resolving the address MACOf waits, until ctx ends. An address of this host,
// or of a host behind a router, is not in the table: ok is false.
func MACOf(ctx context.Context, ifname string, ip netip.Addr) (mac net.HardwareAddr, ok bool) {
	index := 0
	if ifname != "" {
		ifi, err := net.InterfaceByName(ifname)
		if err != nil {
			return nil, false
		}
		index = ifi.Index
	}
	for {
		mac, resolving := lookup(index, ip.Unmap())
		if mac != nil || !resolving {
			return mac, mac != nil
		}
		select {
		case <-ctx.Done():
			return nil, false
		case <-time.After(neighbourRetry):
		}
	}
}

func lookup(index int, ip netip.Addr) (mac net.HardwareAddr, resolving bool) {
	family := netlink.FAMILY_V4
	if ip.Is6() {
		family = netlink.FAMILY_V6
	}
	list, err := netlink.NeighList(index, family)
	if err != nil {
		return nil, false
	}
	for _, n := range list {
		a, _ := netip.AddrFromSlice(n.IP)
		if a.Unmap() != ip {
			continue
		}
		if n.State&usable != 0 && len(n.HardwareAddr) > 0 {
			return n.HardwareAddr, false
		}
		resolving = resolving || n.State&netlink.NUD_INCOMPLETE != 0
	}
	return nil, resolving
}

// NeighbourLimit is how many neighbours the kernel remembers at once; false: it
// does not say.
func NeighbourLimit() (int, bool) {
	text, err := os.ReadFile("/proc/sys/net/ipv4/neigh/default/gc_thresh3")
	if err != nil {
		return 0, false
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(text)))
	return n, err == nil
}

// RaiseNeighbourLimit is what an admin types to have it remember n.
func RaiseNeighbourLimit(n int) string {
	return fmt.Sprintf("sysctl -w net.ipv4.neigh.default.gc_thresh3=%d, and the same in /etc/sysctl.d", n)
}
