package capture

import "testing"

func TestKnocks(t *testing.T) {
	const http, iscsi = 80, 3260
	ports := Ports{HTTP: http, TFTP: 69, ISCSI: iscsi}
	var got Knocks
	for _, b := range [][]byte{
		in(protoUDP, udp(2000, 69, tftp(tftpRRQ, "x\x00octet\x00"))),
		in(protoUDP, udp(2000, 40000, tftp(tftpACK, "\x00\x01"))),
		in(protoUDP, udp(68, portPXE, dhcp(pc, 7, 53, 1, 3))), in(protoUDP, udp(68, 67, dhcp(pc, 7, 53, 1, 3))),
		in(protoTCP, tcp(1025, http, syn, "")), in(protoTCP, tcp(1025, http, syn, "")), in(protoTCP, tcp(1025, http, ack|fin, "")),
		in(protoTCP, tcp(1025, iscsi, syn, "")), out(protoTCP, tcp(iscsi, 1025, syn|ack, "")), out(protoTCP, tcp(iscsi, 1025, rst, "")),
		out(protoTCP, tcp(http, 1025, syn|ack, "")),
	} {
		f, ok := parse(b, ports)
		if !ok {
			t.Fatalf("% x is not looked at", b)
		}
		got.count(&f, ports)
	}
	if want := (Knocks{TFTP: 1, HTTP: 2, ISCSI: 1, Proxy: 1, Accepted: 1, Answered: 1}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}
