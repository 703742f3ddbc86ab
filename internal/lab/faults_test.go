package lab

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// fromServer is a UDP datagram of the server's, or of another's, to the guest.
func fromServer(t testing.TB, server string, port uint16, payload []byte) []byte {
	t.Helper()
	return ipv4Frame(t, server, protoUDP, append(binary.BigEndian.AppendUint16(nil, port),
		append([]byte{0, 68, 0, byte(udpLen + len(payload)), 0, 0}, payload...)...))
}

func ipv4Frame(t testing.TB, from string, protocol byte, payload []byte) []byte {
	t.Helper()
	src, dst := netip.MustParseAddr(from).As4(), [4]byte{10, 77, 0, 100}
	ip := unhex(t, "45 00 00 00  00 00 00 00  40 00 00 00")
	binary.BigEndian.PutUint16(ip[2:], uint16(20+len(payload)))
	ip[9] = protocol
	ip = append(append(ip, src[:]...), dst[:]...)
	return append(append(unhex(t, etherHeader), ip...), payload...)
}

// comesThrough reports whether a filter passes a frame.
func comesThrough(f Filter, dir Direction, frame []byte) (yes bool) {
	f.Frame(dir, frame, func([]byte) { yes = true })
	return yes
}

func TestLosses(t *testing.T) {
	data := func(block byte) []byte { return []byte{0, tftpData, 0, block, 1, 2, 3, 4} }
	const us, them = "10.77.0.1", "10.77.0.2"
	snoop := SnoopDHCP(netip.MustParseAddr(them))
	for _, tt := range []struct {
		name   string
		filter Loss
		dir    Direction
		frame  []byte
		passes bool
	}{
		{"snooping, our OFFER", snoop, ToGuest, fromServer(t, us, 67, nil), false},
		{"snooping, our answer of 4011", snoop, ToGuest, fromServer(t, us, 4011, nil), false},
		{"snooping, their OFFER", snoop, ToGuest, fromServer(t, them, 67, nil), true},
		{"snooping, our file", snoop, ToGuest, fromServer(t, us, 69, nil), true},
		{"snooping, the guest's", snoop, FromGuest, fromServer(t, us, 67, nil), true},
		{"snooping, nobody trusted", SnoopDHCP(netip.Addr{}), ToGuest, fromServer(t, them, 67, nil), false},
		{"narrow path, a packet that fits", NarrowPath(40), ToGuest, fromServer(t, us, 69, make([]byte, 12)), true},
		{"narrow path, a byte more", NarrowPath(40), ToGuest, fromServer(t, us, 69, make([]byte, 13)), false},
		{"narrow path, ARP", NarrowPath(1), ToGuest, unhex(t, strings.Replace(etherHeader, "08 00", "08 06", 1)+"00 01"), true},
		{"known ports, from 69", KnownPorts(), ToGuest, fromServer(t, us, 69, nil), true},
		{"known ports, from another", KnownPorts(), ToGuest, fromServer(t, us, 32768, nil), false},
		{"known ports, the guest's", KnownPorts(), FromGuest, fromServer(t, us, 32768, nil), true},
		{"broken TFTP, a block before", BrokenTFTP(20), ToGuest, fromServer(t, us, 32768, data(19)), true},
		{"broken TFTP, the block", BrokenTFTP(20), ToGuest, fromServer(t, us, 32768, data(20)), false},
		{"broken TFTP, an ERROR", BrokenTFTP(20), ToGuest, fromServer(t, us, 32768, []byte{0, 5, 0, 99, 'n', 'o', 0, 0}), true},
	} {
		if got := comesThrough(tt.filter, tt.dir, tt.frame); got != tt.passes {
			t.Errorf("%s: passes %v, want %v", tt.name, got, tt.passes)
		}
	}
}

func TestAtBlock(t *testing.T) {
	calls := 0
	f := AtBlock(20, func() { calls++ })
	for block := range byte(30) {
		if !comesThrough(f, ToGuest, fromServer(t, "10.77.0.1", 32768, []byte{0, tftpData, 0, block, 1})) {
			t.Errorf("block %d is lost", block)
		}
	}
	if calls != 1 {
		t.Errorf("called %d times, want once", calls)
	}
}

func TestSpanningTree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rom, ipxe := dhcpFrame(t, discover+" ff"), dhcpFrame(t, discover+full+" ff")
		offer := fromServer(t, "10.77.0.1", 67, nil)
		s := &SpanningTree{Wait: 30 * time.Second}
		for range 2 {
			if !comesThrough(s, FromGuest, rom) || !comesThrough(s, ToGuest, offer) {
				t.Error("nothing comes through before iPXE has taken over")
			}
			if comesThrough(s, FromGuest, ipxe) || comesThrough(s, ToGuest, offer) {
				t.Error("iPXE is heard at once")
			}
			time.Sleep(30 * time.Second)
			if !comesThrough(s, FromGuest, ipxe) || !comesThrough(s, ToGuest, offer) {
				t.Error("nothing comes through after the time")
			}
			s.Reset()
		}
	})
}

func TestCutAfterLogin(t *testing.T) {
	segment := func(flags, status byte) []byte {
		tcp := unhex(t, "0c bc 30 39  00 00 00 00  00 00 00 00  50 10 00 00  00 00 00 00")
		pdu := make([]byte, 48)
		pdu[0], pdu[1], pdu[36] = 0x23, flags, status
		return ipv4Frame(t, "10.77.0.1", protoTCP, append(tcp, pdu...))
	}
	for _, tt := range []struct {
		name          string
		flags, status byte
		cuts          bool
	}{
		{"security stage goes on", 0x00, 0, false},
		{"on to the operational stage", 0x81, 0, false},
		{"refused", 0x87, 2, false},
		{"let in", 0x87, 0, true},
	} {
		c := new(CutAfterLogin)
		answer := segment(tt.flags, tt.status)
		if !comesThrough(c, ToGuest, answer) {
			t.Errorf("%s: the answer itself is lost", tt.name)
		}
		if got := !comesThrough(c, FromGuest, segment(0, 0)); got != tt.cuts {
			t.Errorf("%s: cut %v, want %v", tt.name, got, tt.cuts)
		}
		if later := (&CutAfterLogin{Bytes: 1}); !comesThrough(later, ToGuest, answer) || !comesThrough(later, ToGuest, segment(0, 0)) ||
			comesThrough(later, ToGuest, segment(0, 0)) == tt.cuts {
			t.Errorf("%s: not cut after a byte, or before", tt.name)
		}
		if c.Reset(); !comesThrough(c, FromGuest, segment(0, 0)) {
			t.Errorf("%s: cut after a power cycle", tt.name)
		}
	}
}

func TestLoop(t *testing.T) {
	var got []string
	Loop{}.Frame(FromGuest, []byte("a"), func(b []byte) { got = append(got, string(b)); b[0] = 'x' })
	if len(got) != 2 || got[0] != "a" || got[1] != "a" {
		t.Errorf("%q", got)
	}
}
