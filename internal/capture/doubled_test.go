package capture

import (
	"net/netip"
	"testing"
	"time"
)

func TestDoubled(t *testing.T) {
	const ms = time.Millisecond
	say := func(xid uint32) []byte {
		return ipv4(pc, all, netip.IPv4Unspecified(), netip.AddrFrom4([4]byte{255, 255, 255, 255}), protoUDP, udp(68, 67, dhcp(pc, xid, 53, 1, 1)))
	}
	type frame struct {
		at time.Duration
		b  []byte
	}
	for _, tt := range []struct {
		name   string
		frames []frame
		want   int
	}{
		{"each once", []frame{{0, say(1)}, {ms, say(2)}, {2 * ms, say(3)}}, 0},
		{"one that asks again", []frame{{0, say(1)}, {time.Second, say(1)}, {2 * time.Second, say(1)}}, 0},
		{"one twice", []frame{{0, say(1)}, {ms, say(1)}}, 0},
		{"two twice", []frame{{0, say(1)}, {ms, say(1)}, {2 * ms, say(2)}, {3 * ms, say(2)}}, 1},
		{"two twice, long after each other", []frame{{0, say(1)}, {ms, say(1)}, {time.Hour, say(2)}, {time.Hour + ms, say(2)}}, 0},
		{"a storm", []frame{{0, say(1)}, {ms, say(1)}, {2 * ms, say(1)}, {3 * ms, say(1)}}, 1},
		{"a storm, and later again", []frame{{0, say(1)}, {ms, say(1)}, {2 * ms, say(1)}, {time.Hour, say(1)}, {time.Hour + ms, say(1)}, {time.Hour + 2*ms, say(1)}}, 2},
		{"what is no question of DHCP", []frame{{0, arp(pc, all, 1, pcAt, ourAt)}, {ms, arp(pc, all, 1, pcAt, ourAt)}, {2 * ms, arp(pc, all, 1, pcAt, ourAt)}}, 0},
	} {
		var d doubled
		told := 0
		for _, f := range tt.frames {
			if d.tell(f.b, start.Add(f.at)) {
				told++
			}
		}
		if told != tt.want {
			t.Errorf("%s: told %d times, want %d", tt.name, told, tt.want)
		}
	}
}
