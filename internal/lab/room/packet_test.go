package room

import (
	"bytes"
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"

	"github.com/insomniacslk/dhcp/dhcpv4"
)

func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		panic(err)
	}
	return b
}

// TestMessages reads what we send with another's codec.
func TestMessages(t *testing.T) {
	relay := netip.MustParseAddr("10.77.0.9")
	b := append(ipxe(message(7, mac(300), relay, discover), mac(300)), optEnd)
	m, err := dhcpv4.FromBytes(b)
	if err != nil {
		t.Fatal(err)
	}
	if m.MessageType() != dhcpv4.MessageTypeDiscover || m.ClientHWAddr.String() != MAC(300) || m.GatewayIPAddr.String() != "10.77.0.9" ||
		m.TransactionID != (dhcpv4.TransactionID{0, 0, 0, 7}) || string(m.Options[optUserClass]) != "iPXE" || len(m.Options[optUUID]) != 17 {
		t.Errorf("%s", m.Summary())
	}
	frame := udp(mac(1), b)
	if want := unhex("ffff ffff ffff 06b0 0700 0001 0800 4500"); !bytes.HasPrefix(frame, want) {
		t.Errorf("frame % x", frame[:16])
	}
	if s := sum(0, frame[14:34]); s != 0xffff {
		t.Errorf("checksum of the header: %x", s)
	}
}

func TestParse(t *testing.T) {
	m := &dhcpv4.DHCPv4{OpCode: dhcpv4.OpcodeBootReply, YourIPAddr: []byte{10, 77, 0, 100}, TransactionID: dhcpv4.TransactionID{0, 0, 1, 2}, Options: dhcpv4.Options{
		optType: {ack}, optServerID: {10, 77, 0, 1}, optBootFile: []byte("http://10.77.0.1/ipxe/x"),
	}}
	a, err := parse(m.ToBytes())
	if err != nil || a != (answer{0x102, ack, netip.MustParseAddr("10.77.0.100"), netip.MustParseAddr("10.77.0.1"), "http://10.77.0.1/ipxe/x"}) {
		t.Errorf("%+v, %v", a, err)
	}
	if _, err := parse(m.ToBytes()[:100]); err == nil || err.Error() != "not a DHCP answer: 100 bytes" {
		t.Errorf("short: %v", err)
	}
	cut := append(m.ToBytes()[:bootpLen+4], 67, 9, 1)
	if _, err := parse(cut); err == nil || err.Error() != "option 67 of a DHCP answer is cut short" {
		t.Errorf("cut: %v", err)
	}
}

// TestFixTCP: a SYN whose checksum the kernel has left out.
func TestFixTCP(t *testing.T) {
	ip := unhex("4500 0028 0000 4000 4006 0000 0a4d 0001 0a4d 0064 0050 1000 0000 0001 0000 0000 5002 ffff dead 0000")
	fixTCP(ip)
	pseudo := uint32(sum(0, ip[12:20])) + 6 + 20
	if s := sum(pseudo, ip[20:]); s != 0xffff {
		t.Errorf("checksum: %x", s)
	}
	fixTCP(ip[:30]) // cut short: nothing to mend
}

func FuzzParse(f *testing.F) {
	f.Add(append(make([]byte, bootpLen), 99, 130, 83, 99, 53, 1, 2, 255))
	f.Fuzz(func(_ *testing.T, b []byte) { _, _ = parse(b) })
}
