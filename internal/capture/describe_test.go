package capture

import (
	"net/netip"
	"strings"
	"testing"

	"bootes.dev/internal/iscsi/pdu"
)

func option(number byte, value string) []byte {
	return append([]byte{number, byte(len(value))}, value...)
}

// Each packet in words; "> " is before those of the machine.
func TestLines(t *testing.T) {
	join := func(all ...[]byte) (b []byte) {
		for _, o := range all {
			b = append(b, o...)
		}
		return b
	}
	reply := dhcp(pc, 7, join(option(53, "\x02"), option(54, "\x0a\x4d\x00\x01"), option(60, "PXEClient"), option(66, "10.77.0.1"))...)
	reply[0] = 2
	copy(reply[fieldYiaddr:], pcAt.AsSlice())
	copy(reply[fieldSiaddr:], ourAt.AsSlice())
	copy(reply[fieldFile:], "snponly.efi")
	relayed := dhcp(pc, 7, option(53, "\x03")...)
	copy(relayed[fieldGiaddr:], ourAt.AsSlice())
	complaint := func(code byte, mtu string, frame []byte) []byte {
		return append(append([]byte{3, code, 0, 0, 0, 0}, mtu...), frame[etherLen:]...)
	}
	const http, iscsi = 80, 3260
	for _, tt := range []struct {
		frame []byte
		want  string
	}{
		{arp(pc, all, 1, pcAt, ourAt), "> ARP who has 10.77.0.1? tell 10.77.0.100"},
		{arp(pc, all, 1, netip.IPv4Unspecified(), pcAt), "> ARP is 10.77.0.100 in use?"},
		{arp(pc, all, 1, pcAt, pcAt), "> ARP announces 10.77.0.100"},
		{arp(server, pc, 2, ourAt, pcAt), "ARP 10.77.0.1 is at 52:54:00:00:00:fe"},

		{ipv4(pc, all, netip.IPv4Unspecified(), ourAt, protoUDP, udp(68, 67, dhcp(pc, 7, join(option(53, "\x01"),
			option(60, "PXEClient:Arch:00007:UNDI:003016"), option(93, "\x00\x07"), option(77, "iPXE"))...))),
			"> DHCP DISCOVER, class PXEClient:Arch:00007:UNDI:003016 (60), UEFI x86-64 7 (93), user class iPXE (77)"},
		{in(protoUDP, udp(68, 67, dhcp(pc, 7, join(option(53, "\x03"), option(50, "\x0a\x4d\x00\x64"), option(54, "\x0a\x4d\x00\x01"), option(93, "\x00\x63"))...))),
			"> DHCP REQUEST, wants 10.77.0.100 (50), of server 10.77.0.1 (54), architecture 99 (93)"},
		{in(protoUDP, udp(67, 67, relayed)), "> DHCP REQUEST, through relay 10.77.0.1"},
		{out(protoUDP, udp(67, 68, reply)), "DHCP OFFER, address 10.77.0.100, server 10.77.0.1 (54), class PXEClient (60), boot file snponly.efi, next server 10.77.0.1, at 10.77.0.1 (66)"},
		{in(protoUDP, udp(68, 67, dhcp(pc, 7)[:240])), "> DHCP message of no type"},
		{in(protoUDP, udp(68, 67, dhcp(pc, 7)[:100])), "> DHCP malformed message"},

		{in(protoUDP, udp(2000, 69, tftp(tftpRRQ, "snponly.efi\x00octet\x00blksize\x001468\x00tsize\x000\x00"))), "> TFTP get snponly.efi, octet, blksize=1468, tsize=0"},
		{in(protoUDP, udp(2000, 69, tftp(tftpWRQ, "x\x00netascii\x00"))), "> TFTP put x, netascii"},
		{in(protoUDP, udp(2000, 69, tftp(tftpRRQ, "xy"))), "> TFTP malformed request"},
		{out(protoUDP, udp(40000, 2000, tftp(tftpOACK, "blksize\x001468\x00tsize\x00240000\x00"))), "TFTP agrees to, blksize=1468 tsize=240000"},
		{out(protoUDP, udp(40000, 2000, tftp(tftpDATA, "\x00\x01xxx"))), "TFTP block 1, 3 bytes"},
		{out(protoUDP, udp(40000, 2000, tftp(tftpDATA, "\x00\x01"+strings.Repeat("x", 4*1472-4)))), "TFTP blocks from 1 on, 5888 bytes"},
		{in(protoUDP, udp(2000, 40000, tftp(tftpACK, "\x00\x01"))), "> TFTP has block 1"},
		{in(protoUDP, udp(2000, 40000, tftp(tftpERROR, "\x00\x08User aborted the transfer\x00"))), "> TFTP error 8, User aborted the transfer"},
		{out(protoUDP, udp(40000, 2000, tftp(tftpERROR, "\x00\x01not found\x00"))), "TFTP error 1, not found"},

		{in(protoTCP, tcp(1025, http, syn, "")), "> HTTP connects to 10.77.0.1:80"},
		{out(protoTCP, tcp(http, 1025, syn|ack, "")), "HTTP connection is accepted"},
		{in(protoTCP, tcp(1025, http, ack|fin, "")), "> HTTP connection ends"},
		{out(protoTCP, tcp(iscsi, 1025, rst, "")), "iSCSI connection is reset"},
		{in(protoTCP, tcp(1025, http, ack, "GET /ipxe/52-54-00-00-00-01 HTTP/1.1\r\nuser-agent: iPXE/1.0.0+\r\nrange: bytes=0-1\r\n\r\n")),
			"> HTTP GET /ipxe/52-54-00-00-00-01, range: bytes=0-1, user-agent: iPXE/1.0.0+"},
		{in(protoTCP, tcp(1025, http, ack, "GET /ipxe/52-54-00-00-00-01?"+strings.Repeat("x", 500)+" HTTP/1.1\r\n\r\n")),
			"> HTTP GET /ipxe/52-54-00-00-00-01?" + strings.Repeat("x", 72) + "..."},
		{out(protoTCP, tcp(http, 1025, ack, "HTTP/1.1 403 Forbidden\r\nContent-Type: text/plain\r\nContent-Length: 33\r\n\r\n")),
			"HTTP 403 Forbidden, Content-Type: text/plain, Content-Length: 33"},

		{in(protoTCP, tcp(1, iscsi, ack, login("InitiatorName=iqn.a\x00TargetName=iqn.b\x00AuthMethod=CHAP\x00MaxBurstLength=1\x00"))),
			"> iSCSI login request, security stage, to operational, InitiatorName=iqn.a, TargetName=iqn.b, AuthMethod=CHAP"},
		{in(protoTCP, tcp(1, iscsi, ack, login("CHAP_N=pc01\x00CHAP_R=0x1234\x00"))), "> iSCSI login request, security stage, to operational, CHAP_N=pc01, proof by CHAP"},
		{in(protoTCP, tcp(1, iscsi, ack, login("AuthMethod=CHAP\x00")[:pduLen])), "> iSCSI login request, security stage, to operational"},
		{out(protoTCP, tcp(iscsi, 1, ack, loginResponse(0, "CHAP_A=5\x00"))), "iSCSI login response, security stage, CHAP_A=5"},
		{out(protoTCP, tcp(iscsi, 1, ack, loginResponse(0x0201, ""))), "iSCSI login refused: 0201 authentication failed"},
		{in(protoTCP, tcp(1, iscsi, ack, login("no text at all"))), "> iSCSI login request, security stage, to operational, malformed text"},
		{in(protoTCP, tcp(1, iscsi, ack, appended(&pdu.LogoutRequest{}))), "> iSCSI logout request"},
		{out(protoTCP, tcp(iscsi, 1, ack, appended(&pdu.LogoutResponse{Response: 1}))), "iSCSI logout response 1"},
		{in(protoTCP, tcp(1, iscsi, ack, padded(appended(&pdu.TextRequest{Final: true, DataLength: 16})+"SendTargets=All\x00"))), "> iSCSI text request, SendTargets=All"},
		{out(protoTCP, tcp(iscsi, 1, ack, padded(appended(&pdu.TextResponse{Final: true, DataLength: 17})+"TargetName=iqn.b\x00"))), "iSCSI text response, TargetName=iqn.b"},
		{out(protoTCP, tcp(iscsi, 1, ack, appended(&pdu.Reject{Reason: 4}))), "iSCSI reject, reason 04"},
		{out(protoTCP, tcp(iscsi, 1, ack, appended(&pdu.AsyncMessage{Event: 1}))), "iSCSI asynchronous message, event 1"},

		{in(protoICMP, complaint(3, "\x00\x00", out(protoUDP, udp(69, 2000, nil)))), "> ICMP port unreachable: UDP to 10.77.0.100:2000"},
		{in(protoICMP, complaint(4, "\x05\x78", out(protoTCP, tcp(80, 2000, ack, "")))), "> ICMP packet too large, MTU 1400: TCP to 10.77.0.100:2000"},
		{in(protoICMP, complaint(13, "\x00\x00", out(47, make([]byte, 8)))), "> ICMP prohibited by a firewall: to 10.77.0.100"},
		{in(protoICMP, complaint(0, "\x00\x00", make([]byte, 20))), "> ICMP network unreachable"},
		{in(protoICMP, complaint(1, "\x00\x00", make([]byte, 20))), "> ICMP host unreachable"},
		{in(protoICMP, complaint(7, "\x00\x00", make([]byte, 20))), "> ICMP unreachable, code 7"},
		{in(protoICMP, []byte{11, 0, 0, 0, 0, 0, 0, 0}), "> ICMP time exceeded"},
	} {
		f, ok := parse(tt.frame, ports)
		if !ok {
			t.Errorf("not understood: %s", tt.want)
			continue
		}
		kept, ok := f.keep(tt.frame, f.from == server)
		if !ok {
			t.Errorf("not kept: %s", tt.want)
			continue
		}
		f, _ = parse(kept, ports)
		got := f.describe(ports)
		if f.sentBy(pc, ports) {
			got = "> " + got
		}
		if got != tt.want {
			t.Errorf("got  %s\nwant %s", got, tt.want)
		}
	}
}

func TestLinesOfAMachine(t *testing.T) {
	c := open(t, t.TempDir())
	c.take(start, false, discover(pc))
	lines := c.Lines(Span{MAC: pc[:]})
	if len(lines) != 1 || !lines[0].Time.Equal(start) || !lines[0].FromMachine || lines[0].Text != "DHCP DISCOVER" {
		t.Errorf("%+v", lines)
	}
}
