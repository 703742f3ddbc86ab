package capture

import (
	"bytes"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var start = time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)

// options are those of a capture that knows one machine, pc, and one router.
func options(dir string) Options {
	return Options{
		Ports: ports, Dir: dir, Log: slog.New(slog.DiscardHandler),
		Known: func(mac net.HardwareAddr) bool { return MAC(mac) == pc },
		Ours:  func(mac net.HardwareAddr) bool { return mac[0] == 2 },
		Behind: func(a netip.Addr) (net.HardwareAddr, bool) {
			if a == netip.MustParseAddr("10.78.0.5") {
				return pc[:], true
			}
			return nil, a.As4()[1] != 77
		},
	}
}

func open(t testing.TB, dir string) *Capture {
	t.Helper()
	c, err := Open(options(dir))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *Capture) count(mac MAC) int { return len(c.Packets(Span{MAC: mac[:]})) }

// Whose a packet is.
func TestWhose(t *testing.T) {
	other, router := MAC{0x52, 0x54, 0, 0, 0, 2}, MAC{0x52, 0x54, 0, 0, 0, 9}
	far := netip.MustParseAddr("10.78.0.5")
	rrq := udp(2000, 69, tftp(tftpRRQ, "x\x00octet\x00"))
	type packet struct {
		out   bool
		frame []byte
	}
	for _, tt := range []struct {
		name    string
		packets []packet
		want    int // of the machine's
	}{
		{"its own", []packet{{false, discover(pc)}}, 1},
		{"our answer, broadcast", []packet{{true, ipv4(server, all, ourAt, netip.IPv4Unspecified(), protoUDP, udp(67, 68, dhcp(pc, 7)))}}, 1},
		{"another server's answer", []packet{{false, ipv4(other, all, ourAt, netip.IPv4Unspecified(), protoUDP, udp(67, 68, dhcp(pc, 7)))}}, 1},
		{"another machine's", []packet{{false, discover(other)}}, 0},
		{"our probe", []packet{{true, discover(MAC{2, 0xb0, 7})}}, 0},
		{"ARP of nobody", []packet{{false, arp(pc, all, 1, pcAt, ourAt)}}, 0},
		{"ARP of a machine", []packet{{false, discover(pc)}, {false, arp(pc, all, 1, pcAt, ourAt)}, {true, arp(server, pc, 2, ourAt, pcAt)}}, 3},
		{"ARP for a machine", []packet{{false, in(protoUDP, rrq)}, {true, arp(server, all, 1, ourAt, pcAt)}}, 2},
		{"TFTP", []packet{
			{false, in(protoUDP, rrq)}, {true, out(protoUDP, udp(40000, 2000, tftp(tftpOACK, "blksize\x00600\x00")))},
			{true, out(protoUDP, udp(40000, 2000, tftp(tftpDATA, "\x00\x02"+string(make([]byte, 600)))))}, // whole
			{true, out(protoUDP, udp(40000, 2000, tftp(tftpDATA, "\x00\x03"+string(make([]byte, 599)))))},
			{true, out(protoUDP, udp(40000, 2000, tftp(tftpDATA, "\x00\x04"+string(make([]byte, 4*604-4)))))}, // whole, four of them
			{true, out(protoUDP, udp(40000, 2000, tftp(tftpDATA, "\x00\x08"+string(make([]byte, 4*604-5)))))},
		}, 4},
		{"what only looks like TFTP", []packet{{true, out(protoUDP, udp(40000, 2000, tftp(tftpOACK, "")))}}, 0},
		{"behind a router", []packet{{false, ipv4(router, server, far, ourAt, protoUDP, rrq)}}, 1},
		{"a login's header and text", []packet{
			{false, in(protoTCP, tcp(1, 3260, ack, login("CHAP_N=a\x00")[:pduLen]))}, {false, in(protoTCP, tcp(1, 3260, ack, "CHAP_N=a\x00"))},
			{false, in(protoTCP, tcp(1, 3260, ack, "CHAP_N=a\x00"))}, // data
		}, 2},
		{"a login's header and something else", []packet{
			{false, in(protoTCP, tcp(1, 3260, ack, login("CHAP_N=a\x00")[:pduLen]))}, {false, in(protoTCP, tcp(1, 3260, ack, "CHAP_N=abc\x00"))},
		}, 1},
		{"ICMP", []packet{{false, in(protoUDP, rrq)}, {false, in(protoICMP, append([]byte{3, 3, 0, 0, 0, 0, 0, 0}, out(protoUDP, udp(69, 2000, nil))[etherLen:]...))}}, 2},
		{"ICMP of nobody", []packet{{false, in(protoICMP, append([]byte{3, 3, 0, 0, 0, 0, 0, 0}, out(protoUDP, udp(69, 2000, nil))[etherLen:]...))}}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := open(t, t.TempDir())
			for _, p := range tt.packets {
				c.take(start, p.out, p.frame)
			}
			if got := c.count(pc); got != tt.want {
				t.Errorf("%d packets, want %d", got, tt.want)
			}
			if c.count(router) != 0 || c.count(MAC{}) != 0 || c.count(all) != 0 {
				t.Error("packets are filed under who is no machine")
			}
		})
	}
}

// A simulated machine leaves nothing: neither what it says nor what it is answered, by
// DHCP or by other means from the same host.
func TestSimulatedClientsLeaveNothing(t *testing.T) {
	c := open(t, t.TempDir())
	host, fake := MAC{0x52, 0x54, 0, 0, 0, 7}, MAC{0x52, 0x54, 0, 0, 0, 8}
	hostAt := netip.MustParseAddr("10.77.0.7")
	c.o.Simulated = func(simulation string, client net.HardwareAddr) bool {
		return simulation == "abcdef" && (MAC(client) == fake || MAC(client) == pc)
	}
	c.o.Ticket = func(secret string) bool { return secret == "a-secret" }
	mark := marked("abcdef")
	c.take(start, false, ipv4(host, all, hostAt, netip.IPv4Unspecified(), protoUDP, udp(68, 67, dhcp(fake, 99, mark...))))
	c.take(start, true, ipv4(server, all, ourAt, netip.IPv4Unspecified(), protoUDP, udp(67, 68, dhcp(fake, 99, 53, 1, 2))))
	c.take(start, false, ipv4(host, server, hostAt, ourAt, protoUDP, udp(2000, 69, tftp(tftpRRQ, "x\x00octet\x00"))))
	c.take(start, false, ipv4(host, server, hostAt, ourAt, protoTCP, tcp(1, 3260, syn, "")))
	c.take(start, false, in(protoTCP, tcp(1, 80, ack, "GET /ipxe/52-54-00-00-00-08?facts=1&simulate=a-secret HTTP/1.1\r\n\r\n")))
	if n := len(c.book.subjects); n != 0 {
		t.Errorf("%d subjects, want none", n)
	}
	c.take(start.Add(simulateTime-1), false, ipv4(host, server, hostAt, ourAt, protoTCP, tcp(1, 3260, ack|fin, "")))
	c.take(start.Add(2*simulateTime-2), false, ipv4(host, server, hostAt, ourAt, protoTCP, tcp(2, 3260, ack|fin, "")))
	if n := len(c.book.subjects); n != 0 {
		t.Errorf("%d subjects of a simulation that lasts, want none", n)
	}
	later := start.Add(4 * simulateTime)
	c.take(later, false, ipv4(host, server, hostAt, ourAt, protoTCP, tcp(1, 3260, syn, "")))
	if c.count(host) != 1 {
		t.Error("the host itself is never heard of again")
	}
	c.take(later, false, ipv4(host, all, hostAt, netip.IPv4Unspecified(), protoUDP, udp(68, 67, dhcp(fake, 99, mark...))))
	c.take(later, false, discover(host))
	c.take(later, false, ipv4(host, server, hostAt, ourAt, protoTCP, tcp(1, 3260, syn, "")))
	if c.count(host) != 3 {
		t.Error("the host is not heard when it boots itself")
	}
	// A machine that is simulated by its own card is not lost after it.
	c.take(later, false, ipv4(pc, all, hostAt, netip.IPv4Unspecified(), protoUDP, udp(68, 67, dhcp(pc, 98, mark...))))
	c.take(later, false, discover(pc))
	if c.count(pc) != 1 {
		t.Error("the machine itself is not heard")
	}
}

// marked are options of a DISCOVER that says it belongs to a simulation.
func marked(simulation string) []byte {
	id := "\x00bootes-simulate:" + simulation
	return append([]byte{53, 1, 1, 61, byte(len(id))}, id...)
}

// Who says that it is simulated, and is not, hides that message and our answer, and
// nothing of anybody else's.
func TestFalseMarks(t *testing.T) {
	c := open(t, t.TempDir())
	host := MAC{0x52, 0x54, 0, 0, 0, 7}
	hostAt := netip.MustParseAddr("10.77.0.7")
	knock := func(b []byte) { c.take(start, false, ipv4(host, server, hostAt, ourAt, protoTCP, b)) }
	claims := func(mac MAC, options ...byte) {
		c.take(start, false, ipv4(host, all, hostAt, netip.IPv4Unspecified(), protoUDP, udp(68, 67, dhcp(mac, 99, options...))))
	}
	claims(pc, marked("abcdef")...) // nobody knows of simulations
	c.o.Simulated = func(simulation string, client net.HardwareAddr) bool {
		return simulation == "abcdef" && MAC(client) == pc
	}
	c.o.Ticket = func(secret string) bool { return secret == "a-secret" }
	claims(pc, marked("abcde")...)
	claims(pc, marked("")...)
	claims(MAC{0x52, 0x54, 0, 0, 0, 8}, marked("abcdef")...) // of that simulation it is not
	c.take(start, true, ipv4(server, all, ourAt, netip.IPv4Unspecified(), protoUDP, udp(67, 68, dhcp(pc, 99, 53, 1, 2))))
	if n := len(c.book.subjects); n != 0 {
		t.Errorf("%d subjects of marked messages, want none", n)
	}
	claims(pc, 53, 1, 1)
	c.take(start, true, ipv4(server, all, ourAt, netip.IPv4Unspecified(), protoUDP, udp(67, 68, dhcp(pc, 98, 53, 1, 2))))
	if n := c.count(pc); n != 2 {
		t.Errorf("%d packets of the machine that sends as a marked one did, want 2", n)
	}
	knock(tcp(1, 3260, syn, ""))
	knock(tcp(1, 80, ack, "GET /ipxe/52-54-00-00-00-07?facts=1&simulate=guessed HTTP/1.1\r\n\r\n"))
	knock(tcp(1, 80, ack, "GET /ipxe/52-54-00-00-00-07?facts=1 HTTP/1.1\r\nX: ?simulate=a-secret\r\n\r\n"))
	if n := c.count(host); n != 3 {
		t.Errorf("%d packets of the host, want 3", n)
	}
}

func TestSpans(t *testing.T) {
	c := open(t, t.TempDir())
	for i := range 5 {
		c.take(start.Add(time.Duration(i)*time.Minute), false, discover(pc))
	}
	for _, tt := range []struct {
		from, to time.Duration
		want     int
	}{{0, time.Minute, 1}, {time.Minute, 3 * time.Minute, 2}, {-time.Hour, 0, 0}} {
		if n := len(c.Packets(Span{pc[:], start.Add(tt.from), start.Add(tt.to)})); n != tt.want {
			t.Errorf("from %s to %s: %d packets, want %d", tt.from, tt.to, n, tt.want)
		}
	}
	if n := len(c.Packets(Span{MAC: pc[:], From: start.Add(time.Minute)}, Span{MAC: pc[:]}, Span{})); n != 5 {
		t.Errorf("%d packets of spans that overlap, want 5", n)
	}
}

// What an initiator that sends a login in two pieces has proved is hidden.
func TestProofInAText(t *testing.T) {
	c := open(t, t.TempDir())
	const text = "CHAP_N=pc01\x00CHAP_R=0x0123456789abcdef\x00"
	c.take(start, false, in(protoTCP, tcp(1, 3260, ack, login(text)[:pduLen])))
	c.take(start, false, in(protoTCP, tcp(1, 3260, ack, text)))
	all := string(File(c.Packets(Span{MAC: pc[:]})))
	if strings.Contains(all, "0123456789") || !strings.Contains(all, "CHAP_R=0x0000000000000000\x00") {
		t.Errorf("%q", all)
	}
	if lines := c.Lines(Span{MAC: pc[:]}); len(lines) != 2 || lines[1].Text != "iSCSI text, CHAP_N=pc01, proof by CHAP" {
		t.Errorf("%+v", lines)
	}
}

// Who is a server is told by the direction, not by a port that anybody may use.
func TestPortsOfOthers(t *testing.T) {
	const script = "HTTP/1.1 200 OK\r\n\r\n#!ipxe\nset password secret"
	for name, tt := range map[string]struct {
		out   bool
		frame []byte
		want  int
	}{
		"a script sent to port 80":        {true, out(protoTCP, tcp(80, 80, ack, script)), 1},
		"the rest of it":                  {true, out(protoTCP, tcp(80, 80, ack, "set password secret")), 0},
		"data of a disk sent to port 80":  {true, out(protoTCP, tcp(3260, 80, ack, "secret")), 0},
		"what this computer asks others":  {true, out(protoTCP, tcp(5000, 80, ack, "GET / HTTP/1.1\r\nAuthorization: secret\r\n\r\n")), 0},
		"what others answer it":           {false, in(protoTCP, tcp(80, 5000, ack, "HTTP/1.1 200 OK\r\nSet-Cookie: secret\r\n\r\n")), 0},
		"its login at another's disk":     {true, out(protoTCP, tcp(5000, 3260, ack, login("CHAP_N=secret\x00"))), 0},
		"a request from port 80":          {false, in(protoTCP, tcp(80, 80, ack, "GET / HTTP/1.1\r\n\r\n")), 1},
		"a login from the port of HTTP":   {false, in(protoTCP, tcp(80, 3260, ack, login("CHAP_N=a\x00"))), 1},
		"a request from the port of disk": {false, in(protoTCP, tcp(3260, 80, ack, "GET / HTTP/1.1\r\n\r\n")), 1},
	} {
		c := open(t, t.TempDir())
		c.take(start, tt.out, tt.frame)
		if n := c.count(pc); n != tt.want || strings.Contains(string(File(c.Packets(Span{MAC: pc[:]}))), "secret") {
			t.Errorf("%s: %d packets are kept, want %d and no secret", name, n, tt.want)
		}
	}
}

// A flood that goes on is told of once.
func TestLostIsToldOnceInAFlood(t *testing.T) {
	var log bytes.Buffer
	c := &Capture{o: Options{Log: slog.New(slog.NewTextHandler(&log, nil))}}
	at := start
	for _, step := range []struct {
		after time.Duration
		n     uint32
		told  int
	}{
		{0, 0, 0}, {saveEvery, 7, 1}, {saveEvery, 8, 1}, {saveEvery, 0, 1}, {flooding - saveEvery, 9, 1}, {flooding + saveEvery, 1, 2},
	} {
		at = at.Add(step.after)
		c.lost(step.n, at)
		if n := strings.Count(log.String(), "lost="); n != step.told {
			t.Errorf("%s after the start, told %d times: %s", at.Sub(start), n, log.String())
		}
	}
}

func BenchmarkTake(b *testing.B) {
	c := open(b, b.TempDir())
	frame := discover(pc)
	for b.Loop() {
		c.take(start, false, frame)
	}
}
