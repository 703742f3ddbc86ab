package dhcp

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"bootes.dev/internal/netif"
	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/mdlayher/packet"
	"golang.org/x/sync/errgroup"
)

// RivalError: another DHCP server answers where we are to be the server.
type RivalError struct{ Rivals []Rival }

func (e *RivalError) Error() string {
	var b strings.Builder
	for _, r := range e.Rivals {
		fmt.Fprintf(&b, "another DHCP server answers on interface %q: %s (server id %s) offered %s; ",
			r.Interface, r.Source, r.ServerID, r.Offered)
	}
	b.WriteString(`two servers on one network give out clashing addresses: ` +
		`say "dhcp: proxy" to work beside it, or "force: true" to serve all the same`)
	return b.String()
}

// refuseRivals probes the interfaces on which we are to be the server.
func (s *Server) refuseRivals(ctx context.Context) error {
	watched := map[string]*others{}
	var names []string
	for i, c := range s.o.Interfaces {
		if c.Mode == ModeServer && !c.Force {
			names = append(names, c.Name)
			watched[c.Name] = s.others[i]
		}
	}
	start := time.Now()
	rivals, err := probe(ctx, names, s.o.ProbeTime)
	if err != nil {
		return err
	}
	var servers []Rival
	for _, r := range rivals {
		if !r.Proxy() {
			servers = append(servers, r)
		}
		watched[r.Interface].saw(sighting{Rival: r, probe: true}, time.Now())
	}
	if len(servers) > 0 {
		return &RivalError{servers}
	}
	for _, n := range watched {
		n.probed(start)
	}
	return nil
}

// Probe asks which DHCP servers answer on an interface: it broadcasts
// DISCOVERs from two made-up clients, one plain and one that is PXE firmware,
// and listens for offers until timeout. It takes no offer. The sockets are
// raw, so a DHCP client of this host that holds port 68 is no obstacle.
func Probe(ctx context.Context, ifname string, timeout time.Duration) ([]Rival, error) {
	return probe(ctx, []string{ifname}, timeout)
}

func probe(ctx context.Context, names []string, timeout time.Duration) ([]Rival, error) {
	found := make([][]Rival, len(names))
	var group errgroup.Group
	for i, name := range names {
		// Opened here and not in the goroutine: that may run on a thread in
		// another network namespace.
		p, err := newProber(name)
		if err != nil {
			group.Wait()
			return nil, err
		}
		group.Go(func() (err error) {
			defer p.conn.Close()
			found[i], err = p.run(ctx, timeout)
			return err
		})
	}
	err := group.Wait()
	var all []Rival
	for _, r := range found {
		all = append(all, r...)
	}
	return all, err
}

// prober looks for DHCP servers on one interface.
type prober struct {
	ifc    netif.Interface
	conn   *packet.Conn
	mu     sync.Mutex // over probes
	probes []*dhcpv4.DHCPv4
}

const (
	etherIPv4     = 0x0800
	probeInterval = time.Second
)

func newProber(ifname string) (*prober, error) {
	ifc, err := netif.ByName(ifname)
	if err != nil {
		return nil, err
	}
	ifi := &net.Interface{Index: ifc.Index, Name: ifc.Name, MTU: ifc.MTU, HardwareAddr: ifc.MAC}
	conn, err := packet.Listen(ifi, packet.Datagram, etherIPv4, &packet.Config{Filter: repliesOnly})
	if err != nil {
		return nil, fmt.Errorf("look for DHCP servers on interface %q: %w", ifname, err)
	}
	p := &prober{ifc: ifc, conn: conn}
	p.renew()
	return p, nil
}

// renew makes up the clients of the next probe: the same ones, for servers keep
// an address for a while for each that they have made an offer to.
func (p *prober) renew() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.probes = []*dhcpv4.DHCPv4{madeUp(p.ifc.MAC, false), madeUp(p.ifc.MAC, true)}
}

// madeUp is a DISCOVER of a client that does not exist.
func madeUp(own net.HardwareAddr, pxe bool) *dhcpv4.DHCPv4 {
	mac := append(net.HardwareAddr(probeMAC[:]), 0, 0, 0)
	copy(mac[4:], own[max(0, len(own)-2):])
	p := &dhcpv4.DHCPv4{
		OpCode: dhcpv4.OpcodeBootRequest, HWType: 1, Flags: 0x8000, ClientHWAddr: mac,
		Options: dhcpv4.Options{
			optMessageType: {byte(Discover)},
			optParameters:  {optSubnetMask, optRouter, optServerID, optBootFile},
		},
	}
	rand.Read(p.TransactionID[:])
	if pxe {
		mac[3] = 1
		p.Options[optVendorClass] = []byte("PXEClient:Arch:00007:UNDI:003016")
		p.Options[optArchitecture] = []byte{0, 7}
	}
	return p
}

// run sends the probes once a second and gathers the offers.
func (p *prober) run(ctx context.Context, timeout time.Duration) ([]Rival, error) {
	// Some servers answer by unicast to the made-up MAC, broadcast flag or not.
	// Without this those are missed, which is all that its failure costs.
	_ = p.conn.SetPromiscuous(true)
	stop := context.AfterFunc(ctx, func() { p.conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	var rivals []Rival
	end := time.Now().Add(timeout)
	for ctx.Err() == nil && time.Now().Before(end) {
		if err := p.send(); err != nil {
			return nil, fmt.Errorf("look for DHCP servers on interface %q: %w", p.ifc.Name, err)
		}
		until := time.Now().Add(probeInterval)
		if until.After(end) {
			until = end
		}
		rivals = p.listen(ctx, until, rivals)
	}
	return rivals, nil
}

// send broadcasts the probes. The Ethernet source is the interface's own
// address: a switch with port security would shut our port for a stranger's.
func (p *prober) send() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, d := range p.probes {
		b := appendUDP(nil, netip.IPv4Unspecified(), broadcast, ClientPort, ServerPort, d.ToBytes())
		if _, err := p.conn.WriteTo(b, &packet.Addr{HardwareAddr: net.HardwareAddr{255, 255, 255, 255, 255, 255}}); err != nil {
			return err
		}
	}
	return nil
}

func (p *prober) listen(ctx context.Context, until time.Time, rivals []Rival) []Rival {
	buf := make([]byte, maxDatagram)
	for {
		p.conn.SetReadDeadline(until)
		if ctx.Err() != nil {
			return rivals
		}
		n, _, err := p.conn.ReadFrom(buf)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return rivals
		}
		if err != nil {
			wait(ctx, min(readErrorWait, time.Until(until)))
			if !time.Now().Before(until) {
				return rivals
			}
			continue
		}
		if s, ok := p.sighting(buf[:n]); ok && s.probe {
			rivals = addRival(rivals, s.Rival)
		}
	}
}

// sighting reads an IPv4 packet; ok if it is a server's answer, to a probe or to
// a client.
func (p *prober) sighting(b []byte) (s sighting, ok bool) {
	source, payload, ok := parseUDP(b, ClientPort)
	if !ok {
		return s, false
	}
	m, err := dhcpv4.FromBytes(payload)
	if err != nil || m.OpCode != dhcpv4.OpcodeBootReply || len(m.Options[optMessageType]) != 1 {
		return s, false
	}
	t := MessageType(m.Options[optMessageType][0])
	s = sighting{
		Rival: Rival{Interface: p.ifc.Name, Source: source, ServerID: addr(m.Options[optServerID]), Offered: addr(m.YourIPAddr.To4())},
		probe: p.asked(m), by: t.String() + " to " + m.ClientHWAddr.String(),
	}
	if s.probe {
		s.by = "our probe"
	}
	if file := bootFile(m); file != "" {
		s.BootFile, s.NextServer = file, addr(m.ServerIPAddr.To4())
	}
	// An ACK without an address answers an INFORM, or comes from a boot server.
	return s, t == Offer || t == ACK && s.Offered.IsValid()
}

func bootFile(m *dhcpv4.DHCPv4) string {
	if file := text(m.Options[optBootFile]); file != "" {
		return file
	}
	return m.BootFileName
}

// asked reports whether m answers a probe.
func (p *prober) asked(m *dhcpv4.DHCPv4) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.ContainsFunc(p.probes, func(d *dhcpv4.DHCPv4) bool {
		return m.TransactionID == d.TransactionID && string(m.ClientHWAddr) == string(d.ClientHWAddr)
	})
}

// hardware is the Ethernet address that a packet came from.
func hardware(from net.Addr) (net.HardwareAddr, bool) {
	a, ok := from.(*packet.Addr)
	if !ok || len(a.HardwareAddr) != ethernetLen {
		return nil, false
	}
	return a.HardwareAddr, true
}

// addRival keeps one entry per server; that it gives addresses counts more
// than that it is a proxy, too.
func addRival(list []Rival, r Rival) []Rival {
	for i := range list {
		if list[i].Source == r.Source && list[i].ServerID == r.ServerID {
			if list[i].Proxy() {
				list[i] = r
			}
			return list
		}
	}
	return append(list, r)
}
