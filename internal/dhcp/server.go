package dhcp

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"bootes.dev/internal/netif"
)

const (
	maxDatagram  = 4096
	addressTTL   = time.Second
	defaultProbe = 5 * time.Second
)

// Server serves the configured interfaces.
type Server struct {
	o      Options
	ready  chan struct{}
	others []*others // of each interface
	rush   rush
}

// New makes a server; nothing is opened until Run.
func New(o Options) *Server {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.ProbeTime == 0 {
		o.ProbeTime = defaultProbe
	}
	if o.ProbeEvery == 0 {
		o.ProbeEvery = probeEvery
	}
	if o.Rush == nil {
		o.Rush = func(bool) {}
	}
	if o.Warn == nil {
		o.Warn = func(string, string) {}
	}
	s := &Server{o: o, ready: make(chan struct{}), rush: rush{tell: o.Rush}}
	for _, c := range o.Interfaces {
		n := newOthers(c, o.Log)
		n.warn = func(text string) { o.Warn(c.Name, text) }
		s.others = append(s.others, n)
	}
	return s
}

// Others are the other DHCP servers that were noticed since Run began.
func (s *Server) Others() (all []Other) {
	for _, n := range s.others {
		all = append(all, n.list()...)
	}
	return all
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
	for i, c := range s.o.Interfaces {
		opened, err := s.open(c, s.others[i])
		ports = append(ports, opened...)
		if err != nil {
			return err
		}
	}
	if err := s.refuseRivals(ctx); err != nil {
		return err
	}
	watchers, err := s.openWatchers()
	defer func() {
		for _, w := range watchers {
			w.prober.conn.Close()
		}
	}()
	if err != nil || ctx.Err() != nil {
		return err
	}
	return s.serve(ctx, ports, watchers)
}

// open opens an interface's sockets: port 67, and for a proxy 4011.
func (s *Server) open(c InterfaceConfig, n *others) ([]*port, error) {
	ifc, err := netif.ByName(c.Name)
	if err != nil {
		return nil, err
	}
	if _, ok := ifc.IPv4(); !ok {
		return nil, fmt.Errorf("serve DHCP on interface %q: it has no IPv4 address", c.Name)
	}
	l := &link{config: c, policy: s.o.Policy, leases: s.o.Leases, log: s.o.Log, place: cached(c), others: n, rush: &s.rush}
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
