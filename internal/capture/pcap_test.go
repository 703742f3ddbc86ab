package capture

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bootes.dev/internal/needs"
)

func file(packets ...Packet) []byte {
	b := AppendHeader(nil)
	for _, p := range packets {
		b = AppendPacket(b, p)
	}
	return b
}

// draft-ietf-opsawg-pcap, 4 and 5.
func TestPcap(t *testing.T) {
	got := file(Packet{time.Unix(0x01020304, 5), 60, []byte{0xaa, 0xbb}})
	want := []byte("\x4d\x3c\xb2\xa1\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\x00\x00\x01\x00\x00\x00" +
		"\x04\x03\x02\x01\x05\x00\x00\x00\x02\x00\x00\x00\x3c\x00\x00\x00\xaa\xbb")
	if !bytes.Equal(got, want) {
		t.Errorf("% x", got)
	}
	for cut := range len(want) - pcapHeader {
		packets, err := ReadPackets(want[:len(want)-cut])
		if whole := cut == 0 || cut == len(want)-pcapHeader; errors.Is(err, ErrTorn) == whole || len(packets) == 1 != (cut == 0) {
			t.Errorf("%d bytes cut off: %d packets, %v", cut, len(packets), err)
		}
	}
	late := file(Packet{start, 0, nil})
	late[pcapHeader+7] = 0x40
	for text, b := range map[string][]byte{
		"read packets: a packet's time has 1073741830 nanoseconds":         late,
		"read packets: no pcap file of Boötes":                             []byte("\n\r\r\n"),
		"read packets: a packet says that 3 bytes of its 2 are here":       file(Packet{start, 2, make([]byte, 3)}),
		"read packets: a packet says that 0 bytes of its 2097152 are here": file(Packet{start, 2 << 20, nil}),
	} {
		if _, err := ReadPackets(b); err == nil || err.Error() != text {
			t.Errorf("%v, want %s", err, text)
		}
	}
}

func FuzzReadPackets(f *testing.F) {
	f.Add(file(Packet{start, 60, []byte{1, 2}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		packets, err := ReadPackets(b)
		if again := file(packets...); err == nil && !bytes.Equal(again, b) {
			t.Errorf("% x became % x", b, again)
		}
	})
}

// What others make of such a file.
func TestOthersReadIt(t *testing.T) {
	needs.Program(t, "tshark", "package tshark")
	needs.Program(t, "tcpdump", "package tcpdump")
	c := open(t, t.TempDir())
	for i, b := range [][]byte{
		discover(pc),
		in(protoUDP, udp(2000, 69, tftp(tftpRRQ, "snponly.efi\x00octet\x00blksize\x001468\x00"))),
		in(protoTCP, tcp(1025, 80, ack, "GET /ipxe/52-54-00-00-00-01 HTTP/1.1\r\nHost: 10.77.0.1\r\n\r\n")),
		in(protoTCP, tcp(1026, 3260, ack, login("InitiatorName=iqn.2026-01.dev.bootes:pc01\x00"))),
	} {
		c.take(start.Add(time.Duration(i)*time.Millisecond), false, b)
	}
	head := "HTTP/1.1 200 OK\r\nContent-Length: 4000\r\n\r\n"
	c.take(start.Add(time.Second), true, out(protoTCP, tcp(80, 1025, ack, head+"#!ipxe")))
	path := filepath.Join(t.TempDir(), "pc01.pcap")
	if err := os.WriteFile(path, file(c.Packets(Span{MAC: pc[:]})...), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ command, want string }{
		{"tshark -n -r " + path, "DHCP Discover"},
		{"tshark -n -r " + path, "Read Request, File: snponly.efi"},
		{"tshark -n -r " + path, "GET /ipxe/52-54-00-00-00-01"},
		{"tshark -n -r " + path, "HTTP/1.1 200 OK"},
		{"tshark -n -r " + path + " -V", "InitiatorName=iqn.2026-01.dev.bootes:pc01"},
		{"tcpdump -n -r " + path, `RRQ "snponly.efi" octet blksize 1468`},
		{"capinfos -c " + path, "Number of packets:   5"},
	} {
		args := strings.Fields(tt.command)
		said, err := exec.Command(args[0], args[1:]...).CombinedOutput()
		if err != nil || !strings.Contains(string(said), tt.want) {
			t.Errorf("%s: %v, without %q:\n%s", tt.command, err, tt.want, said)
		}
	}
}
