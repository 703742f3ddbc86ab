package capture

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// Options for Open.
type Options struct {
	Interfaces []string
	Ports      Ports
	Dir        string // where packets are kept, too; made if it is missing
	Limits     Limits
	Log        *slog.Logger

	// Known reports whether somebody has added a machine with this network card.
	Known func(net.HardwareAddr) bool
	// Ours reports whether a client was made up by us, to probe.
	Ours func(net.HardwareAddr) bool
	// Simulated reports whether there is a simulation of that name, of that client;
	// Ticket whether a request for a script has the ticket of one. nil: there are none.
	Simulated func(simulation string, client net.HardwareAddr) bool
	Ticket    func(secret string) bool
	// Behind tells of an address whether it is behind a router, and then whose it
	// is; nil: nobody knows.
	Behind func(netip.Addr) (mac net.HardwareAddr, routed bool)
	// Doubled is told that what machines send reaches an interface twice; nil: nobody is.
	Doubled func(iface string)
}

// Capture keeps the packets. Its methods may be called from any goroutine.
type Capture struct {
	o          Options
	wires      []*wire
	complained time.Time // by keepSaving alone
	lostAt     time.Time // likewise

	mu     sync.Mutex
	book   *book
	tracks tracks
}

// Open returns a Capture that holds what an earlier one has kept in its folder.
// An interface that cannot be heard is logged and left out.
func Open(o Options) (*Capture, error) {
	c := &Capture{o: o, book: newBook(o.Limits), tracks: newTracks()}
	if err := c.load(); err != nil {
		return nil, err
	}
	for _, name := range o.Interfaces {
		w, err := openWire(name, o.Ports)
		if err != nil {
			o.Log.Warn("packets of machines are not kept: `bootes boot pcap` will have none of this interface", "interface", name, "err", err)
			continue
		}
		c.wires = append(c.wires, w)
	}
	return c, nil
}

// Close ends hearing. Run must have returned.
func (c *Capture) Close() (err error) {
	for _, w := range c.wires {
		err = errors.Join(err, w.close())
	}
	return err
}

// Run hears the interfaces until ctx ends.
func (c *Capture) Run(ctx context.Context) error {
	var g errgroup.Group
	for _, w := range c.wires {
		g.Go(func() error {
			return w.run(ctx, func(at time.Time, outgoing bool, b []byte) {
				if !outgoing && w.doubled.tell(b, at) && c.o.Doubled != nil {
					c.o.Doubled(w.name)
				}
				c.take(at, outgoing, b)
			})
		})
	}
	g.Go(func() error { c.keepSaving(ctx); return nil })
	return g.Wait()
}

// take files one frame. It keeps no reference to b.
func (c *Capture) take(at time.Time, outgoing bool, b []byte) {
	f, ok := parse(b, c.o.Ports)
	c.hear(&f, outgoing, at)
	if !ok {
		return
	}
	mac, ok := c.whose(&f, outgoing, at)
	if !ok {
		return
	}
	data, ok := f.keep(b, outgoing)
	if !ok {
		return
	}
	c.mu.Lock()
	known := c.book.subjects[mac] != nil
	c.mu.Unlock()
	stranger := !known && !c.known(mac)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.book.add(mac, kept{Packet{Time: at, Length: max(f.length, len(data)), Data: data}, f.kind}, stranger)
}

// Span is the packets of one network card within a time. A zero end is open.
type Span struct {
	MAC      net.HardwareAddr
	From, To time.Time
}

// Packets returns what is kept of any of spans, the oldest first.
func (c *Capture) Packets(spans ...Span) (all []Packet) {
	for _, o := range c.of(spans) {
		all = append(all, o.Packet)
	}
	return all
}

// owned is a packet and whose it is.
type owned struct {
	Packet
	mac MAC
}

func (c *Capture) of(spans []Span) (all []owned) {
	within := map[MAC][]Span{}
	for _, s := range spans {
		if len(s.MAC) == len(MAC{}) {
			within[MAC(s.MAC)] = append(within[MAC(s.MAC)], s)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for mac, spans := range within {
		s := c.book.subjects[mac]
		if s == nil {
			continue
		}
		for _, p := range s.packets {
			if slices.ContainsFunc(spans, func(s Span) bool { return s.has(p.Time) }) {
				all = append(all, owned{p.Packet, mac})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b owned) int { return a.Time.Compare(b.Time) })
	return all
}

func (s Span) has(at time.Time) bool {
	return !at.Before(s.From) && (s.To.IsZero() || at.Before(s.To))
}
