package capture

import (
	"encoding/binary"
	"strings"
	"testing"

	"golang.org/x/net/bpf"

	"bootes.dev/internal/iscsi/pdu"
)

func run(t testing.TB, frame []byte) int {
	t.Helper()
	vm, err := bpf.NewVM(filter(ports))
	if err != nil {
		t.Fatal(err)
	}
	n, err := vm.Run(frame)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func appended(p interface {
	AppendBinary([]byte) ([]byte, error)
}) string {
	b, err := p.AppendBinary(nil)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// The filter in the kernel, run here, and what of the packet is kept after it:
// -1 stands for nothing.
func TestFilter(t *testing.T) {
	const iscsi, http = 3260, 80
	block := func(n byte, size int) []byte { return tftp(tftpDATA, string([]byte{0, n})+strings.Repeat("x", size)) }
	fragment := in(protoUDP, udp(68, 67, nil))
	binary.BigEndian.PutUint16(fragment[20:], 0x0010)
	options := ipv4(pc, server, pcAt, ourAt, protoTCP, tcp(1, http, ack, "GET / HTTP/1.1\r\n\r\n"), 1, 1, 1, 1)
	script := "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n"
	for _, tt := range []struct {
		name  string
		frame []byte
		snap  int // of the filter; 0: dropped
		kept  int // bytes behind the headers
	}{
		{"DISCOVER", discover(pc), wholeSnap, 244},
		{"offer", out(protoUDP, udp(67, 68, dhcp(pc, 7, 53, 1, 2))), wholeSnap, 244},
		{"PXE boot server", in(protoUDP, udp(2000, 4011, dhcp(pc, 7))), wholeSnap, 241},
		{"DNS", in(protoUDP, udp(2000, 53, []byte("12345678"))), 0, 0},
		{"fragment", fragment, 0, 0},
		{"ARP", arp(pc, all, 1, pcAt, ourAt), shortSnap, 28},
		{"IPv6", ether(pc, all, etherIPv6, []byte{0x60, 0, 0, 0, 0, 8, protoUDP, 1}), 0, 0},

		{"RRQ", in(protoUDP, udp(2000, 69, tftp(tftpRRQ, "snponly.efi\x00octet\x00"))), wholeSnap, 20},
		{"OACK", out(protoUDP, udp(40000, 2000, tftp(tftpOACK, "blksize\x001468\x00"))), headerSnap, 15},
		{"ERROR", in(protoUDP, udp(2000, 40000, tftp(tftpERROR, "\x00\x08aborted\x00"))), headerSnap, 12},
		{"first block", out(protoUDP, udp(40000, 2000, block(1, 1468))), shortSnap, 4},
		{"256th block", out(protoUDP, udp(40000, 2000, tftp(tftpDATA, "\x01\x00"+strings.Repeat("x", 1468)))), shortSnap, 4},
		{"second block", out(protoUDP, udp(40000, 2000, block(2, 1468))), 0, 0},
		{"last block", out(protoUDP, udp(40000, 2000, block(2, 17))), shortSnap, 4},
		{"first ACK", in(protoUDP, udp(2000, 40000, tftp(tftpACK, "\x00\x00"))), shortSnap, 4},
		{"second ACK", in(protoUDP, udp(2000, 40000, tftp(tftpACK, "\x00\x02"))), 0, 0},

		{"SYN to HTTP", in(protoTCP, tcp(1, http, syn, "")), headerSnap, 0},
		{"ACK alone", in(protoTCP, tcp(1, http, ack, "")), 0, 0},
		{"GET", in(protoTCP, tcp(1, http, ack, "GET / HTTP/1.1\r\n\r\n")), wholeSnap, 18},
		{"GET under IP options", options, wholeSnap, 18},
		{"response", out(protoTCP, tcp(http, 1, ack, script+"#!ipxe\nset password secret")), headerSnap, len(script)},
		{"its head alone begins", out(protoTCP, tcp(http, 1, ack, "HTTP/1.1 200 OK\r\nX: secret")), headerSnap, 17},
		{"what looks like a response", out(protoTCP, tcp(http, 1, ack, "HTTP/1.1 secret")), headerSnap, -1},
		{"and more of it", out(protoTCP, tcp(http, 1, ack, "HTTP secret\r\n\r\n")), headerSnap, -1},
		{"body", out(protoTCP, tcp(http, 1, ack, "#!ipxe\nset password secret")), 0, 0},
		{"last of the body", out(protoTCP, tcp(http, 1, ack|fin, "set password secret")), headerSnap, 0},
		{"SSH", in(protoTCP, tcp(1, 22, syn, "")), 0, 0},

		{"login", in(protoTCP, tcp(1, iscsi, ack, login("AuthMethod=CHAP\x00"))), wholeSnap, 64},
		{"header of a login", in(protoTCP, tcp(1, iscsi, ack, login("AuthMethod=CHAP\x00")[:pduLen])), wholeSnap, 48},
		{"text of whatever", in(protoTCP, tcp(1, iscsi, ack, "CHAP_N=secret\x00")), wholeSnap, -1},
		{"login response", out(protoTCP, tcp(iscsi, 1, ack, loginResponse(0x0201, ""))), wholeSnap, 48},
		{"logout", in(protoTCP, tcp(1, iscsi, ack, appended(&pdu.LogoutRequest{}))), wholeSnap, 48},
		{"logout response", out(protoTCP, tcp(iscsi, 1, ack, appended(&pdu.LogoutResponse{}))), wholeSnap, 48},
		{"text", in(protoTCP, tcp(1, iscsi, ack, padded(appended(&pdu.TextRequest{Final: true, DataLength: 16})+"SendTargets=All\x00"))), wholeSnap, 64},
		{"text response", out(protoTCP, tcp(iscsi, 1, ack, appended(&pdu.TextResponse{Final: true}))), wholeSnap, 48},
		{"reject", out(protoTCP, tcp(iscsi, 1, ack, appended(&pdu.Reject{Reason: pdu.RejectProtocolError}))), wholeSnap, 48},
		{"asynchronous message", out(protoTCP, tcp(iscsi, 1, ack, appended(&pdu.AsyncMessage{}))), wholeSnap, 48},
		{"SCSI command", in(protoTCP, tcp(1, iscsi, ack, appended(&pdu.SCSICommand{Final: true, Read: true}))), 0, 0},
		{"data", out(protoTCP, tcp(iscsi, 1, ack, appended(&pdu.DataIn{Final: true, DataLength: 512})+strings.Repeat("x", 512))), 0, 0},
		{"data to the port of HTTP", out(protoTCP, tcp(iscsi, http, ack, appended(&pdu.DataIn{Final: true, DataLength: 512})+strings.Repeat("x", 512))), 0, 0},
		{"data from it", in(protoTCP, tcp(http, iscsi, ack, appended(&pdu.DataOut{DataLength: 512})+strings.Repeat("x", 512))), 0, 0},
		{"ping", in(protoTCP, tcp(1, iscsi, ack, appended(&pdu.NopOut{}))), 0, 0},
		{"data that begins like a login", in(protoTCP, tcp(1, iscsi, ack, login("")+strings.Repeat("x", 100))), wholeSnap, -1},
		{"last data", out(protoTCP, tcp(iscsi, 1, ack|fin, strings.Repeat("x", 512))), headerSnap, 0},
		{"RST", out(protoTCP, tcp(iscsi, 1, rst, "")), headerSnap, 0},

		{"unreachable", in(protoICMP, append([]byte{3, 3, 0, 0, 0, 0, 0, 0}, out(protoTCP, tcp(http, 1, ack, "secret"))[etherLen:]...)), shortSnap, 36},
		{"echo", in(protoICMP, []byte{8, 0, 0, 0, 0, 0, 0, 0}), 0, 0},
	} {
		n := run(t, tt.frame)
		if n != tt.snap {
			t.Errorf("%s: the filter returns %d, want %d", tt.name, n, tt.snap)
		}
		if n == 0 {
			continue
		}
		f, ok := parse(tt.frame[:min(n, len(tt.frame))], ports)
		if !ok {
			t.Errorf("%s: is not understood", tt.name)
			continue
		}
		kept, ok := f.keep(tt.frame[:min(n, len(tt.frame))], f.from == server)
		if got := len(kept) - f.headers; ok != (tt.kept >= 0) || ok && got != tt.kept {
			t.Errorf("%s: %d bytes kept (%v), want %d", tt.name, got, ok, tt.kept)
		}
		if strings.Contains(string(kept), "secret") {
			t.Errorf("%s: a secret is kept", tt.name)
		}
	}
}

// The kernel takes programs of 4096 instructions, and jumps of 255.
func TestFilterAssembles(t *testing.T) {
	for _, p := range []program{join(skipVLAN, filter(ports)), join(skipOutgoing, skipVLAN, filter(ports))} {
		if raw, err := p.assemble(); err != nil || len(raw) > 4096 {
			t.Errorf("%d instructions, %v", len(raw), err)
		}
	}
}

func TestProofIsHidden(t *testing.T) {
	for text, want := range map[string]string{
		"CHAP_N=pc01\x00CHAP_R=0x0123abcd\x00CHAP_I=1\x00CHAP_C=0xff\x00": "CHAP_N=pc01\x00CHAP_R=0x00000000\x00CHAP_I=1\x00CHAP_C=0xff\x00",
		"CHAP_R=0bQUJD\x00": "CHAP_R=0b0000\x00",
		"CHAP_R=1":          "CHAP_R=1",
		"CHAP_R=":           "CHAP_R=",
		"X=CHAP_R=0x12\x00": "X=CHAP_R=0x12\x00",
	} {
		b := []byte(login(text))
		hideProof(b, false)
		if got := string(b[pduLen:]); got != padded(want) {
			t.Errorf("%q became %q", text, got)
		}
	}
}

func FuzzFrame(f *testing.F) {
	f.Add(discover(pc), true)
	f.Add(out(protoTCP, tcp(80, 1, ack, "HTTP/1.1 200 OK\r\n\r\n#!ipxe")), false)
	f.Add(in(protoTCP, tcp(1, 3260, ack, login("CHAP_R=0x12\x00"))), false)
	f.Add(in(protoICMP, append([]byte{3, 3, 0, 0, 0, 0, 0, 0}, 0x4f)), false)
	f.Add(arp(pc, all, 1, pcAt, ourAt), true)
	f.Add(solicit(pc, 1), false)
	c := open(f, f.TempDir())
	f.Fuzz(func(t *testing.T, b []byte, outgoing bool) {
		before := string(b)
		c.take(start, outgoing, b)
		if string(b) != before {
			t.Fatal("the frame was changed")
		}
		if f, ok := parse(b, ports); ok {
			f.describe(ports)
		}
		c.Lines(Span{MAC: pc[:]})
		for _, p := range c.Packets(Span{MAC: pc[:]}) {
			if p.Length < len(p.Data) {
				t.Fatalf("%d bytes of %d", len(p.Data), p.Length)
			}
		}
	})
}
