package capture

import (
	"net"
	"net/netip"
	"slices"
	"time"
)

// maxClaimants is how many network cards are remembered of one address.
const maxClaimants = 4

// claims are the network cards that said by ARP that they have an address: every
// sender of ARP does (RFC 826), unless it probes.
type claims map[netip.Addr][]claim

type claim struct {
	mac MAC
	at  time.Time
}

// note files a frame of ARP.
func (c claims) note(f *frame, at time.Time) {
	mac, addr := MAC(f.payload[8:14]), f.src.Addr()
	if addr.IsUnspecified() || mac.group() || mac == (MAC{}) {
		return
	}
	all := slices.DeleteFunc(c[addr], func(o claim) bool { return o.mac == mac })
	all = append(all, claim{mac, at})
	put(c, addr, all[max(0, len(all)-maxClaimants):])
}

// Claimants are the network cards that have said since then that they have a, the
// newest last. Of this computer's own, those are among them that share a wire.
func (c *Capture) Claimants(a netip.Addr, since time.Time) (macs []net.HardwareAddr) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, o := range c.tracks.claims[a] {
		if !o.at.Before(since) {
			macs = append(macs, net.HardwareAddr(o.mac[:]))
		}
	}
	return macs
}

// WhoHas asks an interface's network who has the addresses. What is answered
// counts among the claims. The question is a probe (RFC 5227, 2.1.1), which spoils
// nobody's table.
func (c *Capture) WhoHas(iface string, addrs ...netip.Addr) {
	for _, w := range c.wires {
		if w.name != iface || len(w.mac) != len(MAC{}) {
			continue
		}
		for _, a := range addrs {
			if a.Is4() {
				w.send(arpProbe(MAC(w.mac), a)) // what cannot be sent is not answered
			}
		}
	}
}

// arpProbe is the frame by which from asks who has a.
//
//	hardware 1 │ protocol 0800 │ lengths 6, 4 │ operation │ sender MAC, IP │ target MAC, IP
func arpProbe(from MAC, a netip.Addr) []byte {
	b := []byte{255, 255, 255, 255, 255, 255}
	b = append(b, from[:]...)
	b = append(b, etherARP>>8, etherARP&0xff, 0, 1, 8, 0, 6, 4, 0, 1)
	b = append(b, from[:]...)
	b = append(b, make([]byte, 10)...)
	return append(b, a.AsSlice()...)
}
