package dhcp

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	// probeEvery is the time between two probes: a handful of packets.
	probeEvery = 3 * time.Minute
	// probeSends is how often a probe repeats its DISCOVERs.
	probeSends = 2
)

// watcher looks for other DHCP servers on one interface, for as long as we
// serve there: by a probe now and then, and by the answers of others that are
// broadcast anyway.
type watcher struct {
	prober *prober
	others *others
	listen time.Duration // after a probe
	every  time.Duration
}

func (s *Server) openWatchers() (all []*watcher, err error) {
	for i, c := range s.o.Interfaces {
		p, err := newProber(c.Name)
		if err != nil {
			return all, err
		}
		all = append(all, &watcher{prober: p, others: s.others[i], listen: s.o.ProbeTime, every: s.o.ProbeEvery})
	}
	return all, nil
}

func (w *watcher) run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	stop := context.AfterFunc(ctx, func() { w.prober.conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	group.Go(func() error { w.hear(ctx); return nil })
	group.Go(func() error { w.probe(ctx); return nil })
	return group.Wait()
}

// hear takes in all answers of DHCP servers that reach this host.
func (w *watcher) hear(ctx context.Context) {
	buf := make([]byte, maxDatagram)
	for ctx.Err() == nil {
		n, from, err := w.prober.conn.ReadFrom(buf)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, net.ErrClosed):
			return
		case err != nil: // the link is down, for instance
			wait(ctx, readErrorWait)
			continue
		}
		if s, ok := w.prober.sighting(buf[:n]); ok {
			if hw, ok := hardware(from); ok {
				s.mac = hw.String()
			}
			w.others.saw(s, time.Now())
		}
	}
}

// probe probes at once, then at its interval, and sooner when somebody wants to
// know or a server has not answered. In server mode Run has just probed.
func (w *watcher) probe(ctx context.Context) {
	for soon := !w.others.isSettled(); ctx.Err() == nil; {
		if !soon {
			w.rest(ctx)
		}
		start := time.Now()
		if !w.round(ctx) {
			soon = false
			continue // the link is down: nobody could have answered
		}
		if ctx.Err() == nil {
			soon = !w.others.probed(start)
		}
		if soon {
			wait(ctx, 2*w.listen)
		}
	}
}

// rest waits for the next probe. Nobody can make them more frequent than every
// other time that one takes.
func (w *watcher) rest(ctx context.Context) {
	wait(ctx, 2*w.listen)
	select {
	case <-ctx.Done():
	case <-w.others.hurry:
	case <-time.After(max(0, w.every-2*w.listen)):
	}
}

// round sends the DISCOVERs of one probe and leaves time for answers.
func (w *watcher) round(ctx context.Context) (sent bool) {
	w.prober.renew()
	_ = w.prober.conn.SetPromiscuous(true)
	defer w.prober.conn.SetPromiscuous(false)
	for range probeSends {
		if err := w.prober.send(); err != nil {
			w.others.log.Debug("cannot look for DHCP servers", "interface", w.others.name, "error", err)
		} else {
			sent = true
		}
		wait(ctx, w.listen/probeSends)
	}
	return sent
}

// named notes the server whose offer a client takes.
func (l *link) named(q Query) {
	if q.Type != Request || !q.ServerID.IsValid() || q.Relay.IsValid() || l.others == nil {
		return
	}
	given := q.Requested
	if !given.IsValid() {
		given = q.CIAddr
	}
	if given.IsValid() {
		l.others.saw(sighting{Rival: Rival{ServerID: q.ServerID, Offered: given}, by: "a request of " + q.MAC.String()}, time.Now())
	}
}

func (l *link) rogue(server netip.Addr) bool {
	return l.others != nil && l.others.rogue(server)
}

// probeMAC begins the addresses of clients that Boötes makes up to probe;
// locally administered. The rest is of the interface's own.
var probeMAC = [3]byte{0x02, 0xb0, 0x07}

// IsProbe reports whether a client is one that Boötes makes up to probe.
func IsProbe(mac net.HardwareAddr) bool { return bytes.HasPrefix(mac, probeMAC[:]) }

// greet answers another Boötes' probe, so that it knows of us: as what we are,
// and with nothing that we would have to keep.
func (x *exchange) greet() outcome {
	p := x.message(Offer)
	if x.l.config.Mode == ModeServer {
		if x.seg == nil || len(x.seg.pools) == 0 {
			return silence("has no network here")
		}
		p.YourIPAddr = x.seg.pools[0].First.AsSlice()
	} else {
		p.Options[optVendorClass] = []byte(classPXE)
	}
	return outcome{packet: p, reply: Reply{Type: Offer, To: netip.AddrPortFrom(broadcast, ClientPort)}}
}
