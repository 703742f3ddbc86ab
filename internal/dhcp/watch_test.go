package dhcp

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"bootes.dev/internal/netif"
	"bootes.dev/internal/netif/nettest"
)

// watchReal runs a server that looks for others all the time, until the test
// ends, and returns its log.
func watchReal(t *testing.T, c InterfaceConfig, m *memory) (*Server, *program) {
	t.Helper()
	log := &program{}
	return runReal(t, Options{
		Interfaces: []InterfaceConfig{c}, Policy: m, Leases: newPool(), Log: slog.New(slog.NewTextHandler(io.Writer(log), nil)),
		ProbeTime: 300 * time.Millisecond, ProbeEvery: time.Second,
	}), log
}

// In auto mode we are a proxy while dnsmasq is there, and tell when it comes
// and goes, and of a second one.
func TestAutoBesideDnsmasq(t *testing.T) {
	nettest.Need(t, "dnsmasq")
	if !nettest.Enter(t) {
		return
	}
	nettest.Bridge(t, "br0", ourPrefix.String())
	m := known()
	m.notify = make(chan sent, 100)
	s, log := watchReal(t, InterfaceConfig{Name: "br0", Mode: ModeProxy, Auto: true}, m)
	log.expect(t, `no DHCP server answers: machines get no address here`, 1)
	firmware := firmwareOn(t, "br0")
	if r := firmware.ask(t, m); r.Type != 0 || !strings.Contains(r.Reason, "no DHCP server answers on this network: switch the network's DHCP server on") {
		t.Fatalf("alone, we answered %+v", r)
	}
	first := dnsmasq(t, "br0")
	log.expect(t, `msg="DHCP server found" interface=br0 server=10\.77\.0\.2 mac=02:00:00:00:00:02 .*mode="auto: a proxy"`, 1)
	if r := firmware.ask(t, m); r.Type != Offer || !r.Boot || r.Addr.IsValid() {
		t.Fatalf("beside dnsmasq, we answered %+v", r)
	}

	second := nettest.Join(t, "br0", "02:00:00:00:00:66", "10.77.0.66/24")
	start(t, second.Command(t.Context(), "dnsmasq", "--no-daemon", "--port=0", "--conf-file=/dev/null", "--user=root",
		"--dhcp-range=10.77.0.150,10.77.0.160,1h", "--dhcp-leasefile=/dev/null", "--no-ping", "--pid-file="))
	log.expect(t, `level=WARN msg="another DHCP server has appeared" interface=br0 server=10\.77\.0\.66 mac=02:00:00:00:00:66`, 1)
	first.stop()
	log.expect(t, `msg="DHCP server no longer answers" interface=br0 server=10\.77\.0\.2`, 1)
	all := s.Others()
	if len(all) != 2 || !all[0].Gone || all[0].Unexpected || all[1].Gone || !all[1].Unexpected || all[1].MAC != "02:00:00:00:00:66" {
		t.Errorf("others: %+v", all)
	}
	if n := strings.Count(log.String(), "has appeared"); n != 1 {
		t.Errorf("the second server was told of %d times", n)
	}
}

// firmwareSocket is where a known machine's UEFI sends from.
type firmwareSocket struct{ net.PacketConn }

func firmwareOn(t *testing.T, bridge string) firmwareSocket {
	t.Helper()
	lc := net.ListenConfig{Control: netif.BindToDevice(bridge)}
	c, err := lc.ListenPacket(t.Context(), "udp4", "0.0.0.0:68")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return firmwareSocket{c}
}

// ask sends a DISCOVER and returns what was made of it.
func (f firmwareSocket) ask(t *testing.T, m *memory) Reply {
	t.Helper()
	d := madeUp(mac(knownMAC), true)
	d.ClientHWAddr = mac(knownMAC)
	if _, err := f.WriteTo(d.ToBytes(), &net.UDPAddr{IP: net.IPv4bcast, Port: ServerPort}); err != nil {
		t.Fatal(err)
	}
	select {
	case s := <-m.notify:
		return s.r
	case <-time.After(10 * time.Second):
		t.Fatal("nobody heard")
	}
	return Reply{}
}

// Two servers of ours find each other, though neither knows the other's clients.
func TestTwoOfUsMeet(t *testing.T) {
	if !nettest.Enter(t) {
		return
	}
	nettest.Bridge(t, "br0", ourPrefix.String())
	m := known()
	_, log := watchReal(t, serverConfig(), m)
	nettest.IP(t, "link add two type veth peer name one")
	nettest.IP(t, "link set one master br0 up")
	nettest.IP(t, "addr add 10.77.0.7/24 dev two")
	nettest.IP(t, "link set two up")
	other := serverConfig()
	other.Name = "two"
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	err := New(Options{Interfaces: []InterfaceConfig{other}, Policy: m, Leases: newPool(), ProbeTime: 3 * time.Second}).Run(ctx)
	var rival *RivalError
	if !errors.As(err, &rival) || rival.Rivals[0].ServerID != ourAddress || rival.Rivals[0].Offered != ip("10.77.0.100") {
		t.Errorf("a second server beside us: %v", err)
	}
	if m.decided != 0 || strings.Contains(log.String(), "has appeared") {
		t.Errorf("%d Decide; log:\n%s", m.decided, log)
	}
}
