package dhcp

import (
	"net"
	"slices"
	"testing"
)

// TestRush: a rush is told of at its first message too many, and once it has
// been calm for a while.
func TestRush(t *testing.T) {
	var told []bool
	s := New(Options{Rush: func(on bool) { told = append(told, on) }})
	q, p := s.newQueues(), &port{link: &link{}}
	send := func(n int) {
		for i := range n {
			q.put(job{p, datagram{data: packetOf(net.HardwareAddr{2, 0, 0, 0, byte(i >> 8), byte(i)}, Discover)}})
		}
	}
	tick := func(n, messages int) {
		for range n {
			send(messages)
			s.rush.tick()
		}
	}
	for _, step := range []struct {
		what     string
		ticks, n int
		want     []bool
	}{
		{"few messages", 3, rushSize - 1, nil},
		{"many", 2, rushSize, []bool{true}},
		{"a pause", rushOver - 1, 0, []bool{true}},
		{"many again", 1, 3 * rushSize, []bool{true}},
		{"another pause", rushOver - 1, 0, []bool{true}},
		{"calm", 1, 0, []bool{true, false}},
		{"calm for long", 2 * rushOver, 0, []bool{true, false}},
		{"another rush", 1, rushSize, []bool{true, false, true}},
	} {
		if tick(step.ticks, step.n); !slices.Equal(told, step.want) {
			t.Fatalf("after %s: told %v, want %v", step.what, told, step.want)
		}
	}
}
