package targets

import (
	"testing"
	"time"

	"bootes.dev/internal/iscsi"
)

func TestSlowText(t *testing.T) {
	for want, c := range map[string]struct {
		o    iscsi.SlowIO
		more int
	}{
		"slow disk: a write of 4 KiB on LUN 0 took 1.5s, of which 1.2s waiting for the server's disk": {
			iscsi.SlowIO{Op: iscsi.OpWrite, Length: 4096, Total: 1500 * time.Millisecond, Disk: 1200 * time.Millisecond}, 0},
		"slow command: a flush on LUN 2 took 2s, of which 2s waiting for other commands of its session; 7 more slow commands before it": {
			iscsi.SlowIO{Op: iscsi.OpFlush, LUN: 2, Total: 2 * time.Second, Queue: 2 * time.Second}, 7},
		"slow command: a read of 1 MiB on LUN 0 took 3s, of which 3s waiting for the machine or the network": {
			iscsi.SlowIO{Op: iscsi.OpRead, Length: 1 << 20, Total: 3 * time.Second, Socket: 3 * time.Second}, 0},
		"slow command: a read of 512 B on LUN 0 took 3s, of which 2s waiting for the limits of its volume": {
			iscsi.SlowIO{Op: iscsi.OpRead, Length: 512, Total: 3 * time.Second, Limit: 2 * time.Second}, 0},
		"slow command: a read of 512 B on LUN 0 took 3s, of which 2s waiting for an ordered command": {
			iscsi.SlowIO{Op: iscsi.OpRead, Length: 512, Total: 3 * time.Second, Lock: 2 * time.Second}, 0},
	} {
		if got := slowText(c.o, c.more); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

// Of each volume slow commands are told of once a minute, with how many more
// there were; what is old is forgotten.
func TestSlowIsToldOnceAMinute(t *testing.T) {
	s := new(sessions)
	start := time.Now()
	for _, c := range []struct {
		volume string
		after  time.Duration
		more   int
		tell   bool
	}{
		{"a", 0, 0, true}, {"a", time.Second, 0, false}, {"b", time.Second, 0, true}, {"a", 59 * time.Second, 0, false},
		{"a", time.Minute, 2, true}, {"b", 10 * time.Minute, 0, true},
	} {
		if more, tell := s.noteSlow(c.volume, start.Add(c.after)); more != c.more || tell != c.tell {
			t.Errorf("%s after %s: %d, %v", c.volume, c.after, more, tell)
		}
	}
	if len(s.slow) != 1 {
		t.Errorf("%d volumes are remembered", len(s.slow))
	}
}
