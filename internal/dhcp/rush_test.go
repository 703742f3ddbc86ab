package dhcp

import (
	"slices"
	"testing"
)

// TestRush: a rush is told of at its first ACK too many, every second, and once it has
// been calm for a while.
func TestRush(t *testing.T) {
	var told []bool
	s := New(Options{Rush: func(on bool) { told = append(told, on) }})
	l := testLink(serverConfig(), known(), newPool())
	l.rush = &s.rush
	send := func(n int, message say) {
		for range n {
			if p, _ := ask(t, l, message.datagram()); p == nil {
				t.Fatal("no answer")
			}
		}
	}
	if send(rushSize, say{t: Discover}); told != nil {
		t.Error("DISCOVERs are a rush")
	}
	tick := func(n, acks int) {
		for range n {
			send(acks, say{t: Request, requested: "10.77.0.100"})
			s.rush.tick()
		}
	}
	for _, step := range []struct {
		what     string
		ticks, n int
		on, off  int // times it is told
	}{
		{"few ACKs", 3, rushSize - 1, 0, 0},
		{"many", 2, rushSize, 1 + 2, 0},
		{"a pause", rushOver - 1, 0, rushOver - 1, 0},
		{"many again", 1, 3 * rushSize, 1, 0},
		{"another pause", rushOver - 1, 0, rushOver - 1, 0},
		{"calm", 1, 0, 0, 1},
		{"calm for long", 2 * rushOver, 0, 0, 0},
		{"another rush", 1, rushSize, 1 + 1, 0},
	} {
		told = nil
		tick(step.ticks, step.n)
		if want := append(slices.Repeat([]bool{true}, step.on), slices.Repeat([]bool{false}, step.off)...); !slices.Equal(told, want) {
			t.Fatalf("after %s: told %v, want %v", step.what, told, want)
		}
	}
}
