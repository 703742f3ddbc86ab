package capture

import (
	"bytes"
	"net/netip"
	"net/url"
	"time"
)

// tracks is what was heard lately and tells whose a packet is.
type tracks struct {
	transfers  transfers
	texts      map[netip.AddrPort]int // how much text the iSCSI header before has announced
	addrs      map[netip.Addr]MAC     // who was served at which address
	routes     map[netip.Addr]route
	exchanges  map[exchange]time.Time // of simulated clients
	simulators map[MAC]time.Time      // hosts from which clients are simulated
	claims     claims
}

// exchange tells the answers to one message of DHCP from others.
type exchange struct {
	mac MAC
	xid uint32
}

// route is what Behind said of an address.
type route struct {
	mac    MAC
	routed bool
	at     time.Time
}

const (
	maxTracks = 4096 // of each: when there are more, all are learnt anew
	routeTime = time.Minute
	// simulateTime is for how long a host must have been silent since a client was
	// simulated from there, until its packets are kept.
	simulateTime = time.Minute
)

func newTracks() tracks {
	return tracks{
		transfers: transfers{}, texts: map[netip.AddrPort]int{}, addrs: map[netip.Addr]MAC{}, routes: map[netip.Addr]route{},
		exchanges: map[exchange]time.Time{}, simulators: map[MAC]time.Time{}, claims: claims{},
	}
}

func put[K comparable, V any](m map[K]V, k K, v V) {
	if len(m) >= maxTracks {
		clear(m)
	}
	m[k] = v
}

// whose tells which machine a frame is filed under; false: it is left out.
func (c *Capture) whose(f *frame, outgoing bool, now time.Time) (mac MAC, ok bool) {
	switch f.kind {
	case kindDHCP:
		return c.dhcp(f, outgoing, now)
	case kindARP:
		return c.neighbour(f, outgoing)
	case kindICMP:
		return c.complainer(f)
	case kindDHCPv6:
		return f.from, !outgoing && !f.from.group() && c.known(f.from)
	}
	if !f.served(outgoing, c.o.Ports) || f.kind == kindHTTP && c.isSimulated(f.payload) {
		return mac, false
	}
	c.mu.Lock()
	wanted := true
	switch f.kind {
	case kindTFTP:
		wanted = c.tracks.transfers.wanted(f, c.o.Ports, now)
	case kindISCSI:
		f.text = c.tracks.isText(f)
	}
	c.mu.Unlock()
	if !wanted {
		return mac, false
	}
	return c.client(f, outgoing, now)
}

// isText reports whether a segment is the text that the one before it has
// announced, which was an iSCSI header alone.
func (t *tracks) isText(f *frame) bool {
	b := f.payload
	if len(b) == pduLen && messageLen(b) > 0 && textLen(b) > 0 {
		put(t.texts, f.src, textLen(b))
		return false
	}
	n := t.texts[f.src]
	delete(t.texts, f.src)
	return n > 0 && long(b, n)
}

// isSimulated reports whether a request carries the ticket of a simulation, which
// is a secret.
func (c *Capture) isSimulated(request []byte) bool {
	line, _, _ := bytes.Cut(request, []byte("\r\n"))
	_, query, _ := bytes.Cut(line, []byte("?"))
	query, _, _ = bytes.Cut(query, []byte(" "))
	all, err := url.ParseQuery(string(query))
	return err == nil && all.Has("simulate") && c.o.Ticket != nil && c.o.Ticket(all.Get("simulate"))
}

// client is who is at the other end of a frame, or behind the router there.
func (c *Capture) client(f *frame, outgoing bool, now time.Time) (mac MAC, ok bool) {
	mac, at := f.from, f.src.Addr()
	if outgoing {
		mac, at = f.to, f.dst.Addr()
	}
	r := c.behind(at, now)
	if r.routed {
		mac = r.mac
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if mac.group() || mac == (MAC{}) {
		return mac, false
	}
	if now.Sub(c.tracks.simulators[mac]) < simulateTime {
		c.tracks.simulators[mac] = now
		return mac, false
	}
	put(c.tracks.addrs, at, mac)
	return mac, true
}

func (c *Capture) behind(at netip.Addr, now time.Time) route {
	c.mu.Lock()
	r, known := c.tracks.routes[at]
	c.mu.Unlock()
	if known && now.Sub(r.at) < routeTime {
		return r
	}
	hw, routed := c.o.Behind(at)
	r = route{routed: routed, at: now}
	copy(r.mac[:], hw)
	c.mu.Lock()
	defer c.mu.Unlock()
	put(c.tracks.routes, at, r)
	return r
}

// dhcp files a message under its client, whoever sends it. What is marked as a
// simulated client's is left out, with what we answer. A mark hides nothing else,
// unless it is of a simulation that there is: then its host plays clients.
func (c *Capture) dhcp(f *frame, outgoing bool, now time.Time) (mac MAC, ok bool) {
	m, ok := parseDHCP(f.payload)
	if !ok || c.o.Ours(m.mac[:]) {
		return mac, false
	}
	plays := !outgoing && !m.relayed && f.from != m.mac && m.simulation != "" && c.o.Simulated != nil && c.o.Simulated(m.simulation, m.mac[:])
	c.mu.Lock()
	defer c.mu.Unlock()
	of := exchange{m.mac, m.xid}
	switch {
	case m.marked:
		put(c.tracks.exchanges, of, now)
		if plays {
			put(c.tracks.simulators, f.from, now)
		}
		return mac, false
	case outgoing && now.Sub(c.tracks.exchanges[of]) < simulateTime:
		return mac, false
	case f.from == m.mac:
		delete(c.tracks.simulators, m.mac) // the host itself boots
	}
	return m.mac, true
}

// neighbour files ARP under a machine of which there is something else already.
func (c *Capture) neighbour(f *frame, outgoing bool) (mac MAC, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case !outgoing:
		mac = f.from
	case f.to.group():
		mac = c.tracks.addrs[f.dst.Addr()]
	default:
		mac = f.to
	}
	return mac, c.book.subjects[mac] != nil
}

// complainer files an ICMP message under the machine that the packet was for.
func (c *Capture) complainer(f *frame) (mac MAC, ok bool) {
	to, ok := f.about()
	if !ok {
		return mac, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if mac, ok = c.tracks.addrs[to]; !ok {
		return mac, false
	}
	return mac, c.book.subjects[mac] != nil
}
