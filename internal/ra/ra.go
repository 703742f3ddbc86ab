// Package ra spares iPXE its wait for IPv6.
//
// iPXE with IPv6 solicits a router on every link and goes on to its script only
// when one has answered or 16 seconds have passed. On the IPv4 networks that
// most rooms of PCs are, none answers, and every boot is so much longer. We
// answer: one router advertisement, to that machine alone, that offers no
// route, no prefix and no DHCPv6 ("I am no router, and there is nothing to
// configure"). Nobody else on the link hears or is told anything.
//
// Both messages are ICMPv6 (RFC 4861, 4.1 and 4.2):
//
//	 0               1               2               3
//	 0 1 2 3 4 5 6 7 0 1 2 3 4 5 6 7 0 1 2 3 4 5 6 7 0 1 2 3 4 5 6 7
//	+---------------+---------------+-------------------------------+
//	| 133           | 0             | checksum                      |  solicitation
//	+---------------+---------------+-------------------------------+
//	| reserved                      . options: 1 is the MAC         |
//	+---------------+---------------+-------------------------------+
//
//	+---------------+---------------+-------------------------------+
//	| 134           | 0             | checksum                      |  advertisement
//	+---------------+---------------+-------------------------------+
//	| hop limit     | M O: 0        | router lifetime: 0            |
//	+---------------+---------------+-------------------------------+
//	| reachable time: 0                                             |
//	| retransmission timer: 0                                       |
//	+---------------------------------------------------------------+
package ra

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"time"

	"golang.org/x/net/ipv6"
	"golang.org/x/sync/errgroup"
)

// hopLimit of neighbour discovery messages: one from beyond a router has less
// (RFC 4861, 6.1).
const hopLimit = 255

// allRouters is the group that solicitations go to.
var allRouters = net.ParseIP("ff02::2")

// retry is the time between two looks for an interface's link-local address,
// which it has some seconds after it came up, or never.
const retry = 2 * time.Second

// Server answers on some interfaces.
type Server struct {
	// Interfaces are names.
	Interfaces []string
	// Waits reports whether the machine with this MAC is in iPXE now. Nobody
	// else is answered.
	Waits func(mac net.HardwareAddr) bool
	Log   *slog.Logger
}

// Run answers until ctx ends.
func (s *Server) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, name := range s.Interfaces {
		g.Go(func() error { return s.serve(ctx, name) })
	}
	return g.Wait()
}

func (s *Server) String() string { return "ra" }

// serve answers on one interface. Without IPv6 there it answers nothing, and
// machines boot as slowly as before.
func (s *Server) serve(ctx context.Context, name string) error {
	for {
		conn, ifi, err := listen(name)
		if err == nil {
			err = s.answer(ctx, conn, ifi)
		}
		if ctx.Err() != nil {
			return nil
		}
		s.Log.Debug("no answers to router solicitations", "interface", name, "err", err)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(retry):
		}
	}
}

// listen opens a socket that hears the solicitations of one interface.
func listen(name string) (*ipv6.PacketConn, *net.Interface, error) {
	ifi, err := net.InterfaceByName(name)
	if err != nil {
		return nil, nil, err
	}
	local, err := linkLocal(ifi)
	if err != nil {
		return nil, nil, err
	}
	c, err := net.ListenPacket("ip6:ipv6-icmp", local.String())
	if err != nil {
		return nil, nil, fmt.Errorf("open ICMPv6 socket: %w", err)
	}
	p := ipv6.NewPacketConn(c)
	var only ipv6.ICMPFilter
	only.SetAll(true)
	only.Accept(ipv6.ICMPTypeRouterSolicitation)
	err = errors.Join(p.SetICMPFilter(&only), p.JoinGroup(ifi, &net.IPAddr{IP: allRouters}),
		p.SetHopLimit(hopLimit), p.SetControlMessage(ipv6.FlagHopLimit, true))
	if err != nil {
		p.Close()
		return nil, nil, fmt.Errorf("set up ICMPv6 socket: %w", err)
	}
	return p, ifi, nil
}

var errNoLinkLocal = errors.New("interface has no link-local IPv6 address")

func linkLocal(ifi *net.Interface) (*net.IPAddr, error) {
	addrs, err := ifi.Addrs()
	if err != nil {
		return nil, err
	}
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() == nil && n.IP.IsLinkLocalUnicast() {
			return &net.IPAddr{IP: n.IP, Zone: ifi.Name}, nil
		}
	}
	return nil, errNoLinkLocal
}

// answer serves a socket, which it closes, until ctx ends or the socket fails.
func (s *Server) answer(ctx context.Context, p *ipv6.PacketConn, ifi *net.Interface) error {
	stop := context.AfterFunc(ctx, func() { p.SetReadDeadline(time.Unix(1, 0)) })
	defer p.Close()
	defer stop()
	b := make([]byte, 1500)
	for {
		n, cm, from, err := p.ReadFrom(b)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return nil
		}
		if err != nil {
			return err
		}
		if cm == nil || cm.HopLimit != hopLimit {
			continue
		}
		mac, ok := sourceOf(b[:n])
		if !ok || !s.Waits(mac) {
			continue
		}
		if _, err := p.WriteTo(advertisement, nil, from); err != nil {
			s.Log.Debug("router solicitation could not be answered", "interface", ifi.Name, "mac", mac.String(), "err", err)
		}
	}
}

// advertisement offers nothing; the kernel fills in the checksum.
var advertisement = []byte{
	134, 0, 0, 0,
	64, 0, 0, 0,
	0, 0, 0, 0,
	0, 0, 0, 0,
}

// Options of neighbour discovery (RFC 4861, 4.6).
const optSourceLinkLayer = 1

// sourceOf returns the MAC that a router solicitation names as its sender's.
func sourceOf(b []byte) (net.HardwareAddr, bool) {
	const header = 8
	if len(b) < header || b[0] != byte(ipv6.ICMPTypeRouterSolicitation) || b[1] != 0 {
		return nil, false
	}
	for b = b[header:]; len(b) >= 8; {
		length := int(b[1]) * 8
		if length == 0 || length > len(b) {
			return nil, false
		}
		if b[0] == optSourceLinkLayer && length == 8 {
			return append(net.HardwareAddr(nil), b[2:8]...), true
		}
		b = b[length:]
	}
	return nil, false
}
