package capture

import (
	"net"
	"net/netip"
	"slices"
	"time"
)

// maxSenders is how many addresses of one network card are remembered.
const maxSenders = 4

// heard is what a network card has sent, of all that the filter lets through.
type heard struct {
	last time.Time
	from []sender // the newest last
}

type sender struct {
	addr netip.Addr
	at   time.Time
}

func (h *heard) note(from netip.Addr, at time.Time) {
	h.last = at
	if !from.Is4() || from.IsUnspecified() {
		return
	}
	h.from = slices.DeleteFunc(h.from, func(s sender) bool { return s.addr == from })
	h.from = append(h.from, sender{from, at})
	h.from = h.from[max(0, len(h.from)-maxSenders):]
}

// hear notes a frame of a machine of which there is something already, also of one
// that is not kept, and who claims which address.
func (c *Capture) hear(f *frame, outgoing bool, at time.Time) {
	if outgoing {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.book.subjects[f.from]; s != nil {
		s.heard.note(f.src.Addr(), at)
	}
	if f.kind == kindARP && len(f.payload) == arpLen {
		c.tracks.claims.note(f, at)
	}
}

// Heard tells whether anything has come from a network card since then, and which
// addresses of IPv4 it has sent from, the newest last.
func (c *Capture) Heard(mac net.HardwareAddr, since time.Time) (anything bool, from []netip.Addr) {
	if len(mac) != len(MAC{}) {
		return false, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.book.subjects[MAC(mac)]
	if s == nil {
		return false, nil
	}
	for _, x := range s.heard.from {
		if !x.at.Before(since) {
			from = append(from, x.addr)
		}
	}
	return !s.heard.last.Before(since), from
}
