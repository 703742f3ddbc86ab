package dhcp

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"bootes.dev/internal/netif"
	"golang.org/x/sync/errgroup"
)

const (
	workers       = 16 // messages handled at a time
	queued        = 64 // messages waiting per worker; the rest waits in the kernel
	maxDatagram   = 4096
	addressTTL    = time.Second
	defaultProbe  = 5 * time.Second
	readErrorWait = 100 * time.Millisecond
)

// Server serves the configured interfaces.
type Server struct {
	o     Options
	ready chan struct{}
}

// New makes a server; nothing is opened until Run.
func New(o Options) *Server {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.ProbeTime == 0 {
		o.ProbeTime = defaultProbe
	}
	return &Server{o: o, ready: make(chan struct{})}
}

// Ready is closed once all sockets are open, no rival was found, and messages
// are being answered.
func (s *Server) Ready() <-chan struct{} { return s.ready }

func (s *Server) String() string { return "dhcp" }

// Run opens the sockets in the network namespace of its caller, looks for
// rivals, and serves until ctx ends. It is called once.
//
// It returns an error at once if an interface is missing or has no IPv4
// address, if a port is taken (naming the program), and, as a RivalError, if
// another DHCP server answers where we are to be the server.
func (s *Server) Run(ctx context.Context) error {
	var ports []*port
	defer func() {
		for _, p := range ports {
			p.Close()
		}
	}()
	for _, c := range s.o.Interfaces {
		opened, err := s.open(c)
		ports = append(ports, opened...)
		if err != nil {
			return err
		}
	}
	if err := s.refuseRivals(ctx); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return nil
	}
	return s.serve(ctx, ports)
}

// open opens an interface's sockets: port 67, and for a proxy 4011.
func (s *Server) open(c InterfaceConfig) ([]*port, error) {
	ifc, err := netif.ByName(c.Name)
	if err != nil {
		return nil, err
	}
	if _, ok := ifc.IPv4(); !ok {
		return nil, fmt.Errorf("serve DHCP on interface %q: it has no IPv4 address", c.Name)
	}
	l := &link{config: c, policy: s.o.Policy, leases: s.o.Leases, log: s.o.Log, place: cached(c)}
	numbers := []int{ServerPort}
	if c.Mode == ModeProxy {
		numbers = append(numbers, ProxyPort)
	}
	var ports []*port
	for _, n := range numbers {
		p, err := openPort(l, n)
		if err != nil {
			return ports, err
		}
		ports = append(ports, p)
		if c.Mode == ModeServer {
			if err := p.openRaw(ifc); err != nil {
				return ports, err
			}
		}
	}
	return ports, nil
}

// cached asks for an interface's addresses at most once a second.
func cached(c InterfaceConfig) func() (*place, error) {
	var mu sync.Mutex
	var asked time.Time
	var now *place
	var err error
	return func() (*place, error) {
		mu.Lock()
		defer mu.Unlock()
		if asked.IsZero() || time.Since(asked) > addressTTL {
			var ifc netif.Interface
			ifc, err = netif.ByName(c.Name)
			now, asked = newPlace(ifc, c), time.Now()
		}
		return now, err
	}
}

// job is a datagram and the socket that it came in by.
type job struct {
	port *port
	in   datagram
}

// serve reads every socket and hands the messages to the workers. A client's
// messages all go to one worker, so that they are handled in their order.
func (s *Server) serve(ctx context.Context, ports []*port) error {
	group, ctx := errgroup.WithContext(ctx)
	var queues [workers]chan job
	for i := range queues {
		queues[i] = make(chan job, queued)
		group.Go(func() error { work(ctx, queues[i]); return nil })
	}
	spawn := bounded(group, maxLooking)
	for _, p := range ports {
		if p.neighbours != nil {
			p.link.conflicts.spawn = spawn
			group.Go(func() error { return p.neighbours.serve(ctx) })
		}
	}
	seed := maphash.MakeSeed()
	for _, p := range ports {
		group.Go(func() error {
			return p.read(ctx, func(in datagram) {
				select {
				case queues[maphash.Bytes(seed, client(in.data))%workers] <- job{p, in}:
				case <-ctx.Done():
				}
			})
		})
	}
	close(s.ready)
	return group.Wait()
}

// bounded runs functions in a group, at most so many at a time; false: it does not.
func bounded(group *errgroup.Group, limit int) func(func()) bool {
	running := make(chan struct{}, limit)
	return func(f func()) bool {
		select {
		case running <- struct{}{}:
		default:
			return false
		}
		group.Go(func() error {
			defer func() { <-running }()
			f()
			return nil
		})
		return true
	}
}

func work(ctx context.Context, queue <-chan job) {
	for {
		select {
		case <-ctx.Done():
			return
		case j := <-queue:
			j.port.link.handle(ctx, j.in, j.port.send)
		}
	}
}

// client cuts chaddr out of a packet that may yet prove malformed.
func client(b []byte) []byte {
	const chaddr = 28
	return b[min(chaddr, len(b)):min(chaddr+ethernetLen, len(b))]
}

// read hands each packet to take until ctx ends.
func (p *port) read(ctx context.Context, take func(datagram)) error {
	stop := context.AfterFunc(ctx, func() { p.conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	buf := make([]byte, maxDatagram)
	for {
		n, cm, from, err := p.conn.ReadFrom(buf)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("read DHCP messages on interface %q: %w", p.link.config.Name, err)
		case err != nil: // the link is down, for instance
			p.link.log.Warn("cannot read DHCP messages", "interface", p.link.config.Name, "error", err)
			wait(ctx, readErrorWait)
			continue
		}
		in := datagram{data: append([]byte(nil), buf[:n]...), port: p.number}
		if u, ok := from.(*net.UDPAddr); ok {
			in.from = netip.AddrPortFrom(u.AddrPort().Addr().Unmap(), u.AddrPort().Port())
		}
		if cm != nil {
			in.to = addr(cm.Dst.To4())
		}
		take(in)
	}
}

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
