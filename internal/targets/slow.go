package targets

import (
	"fmt"
	"time"

	"bootes.dev/internal/bytesize"
	"bootes.dev/internal/iscsi"
	"bootes.dev/internal/recorder"
)

// slowEvery is how often slow commands of one volume are told of: a disk that
// is slow is so for each of its commands.
const slowEvery = time.Minute

// slowness is what was told of the slow commands of one volume.
type slowness struct {
	told  time.Time
	since int // commands that were not told of
}

// SlowIO puts a slow command on its boot's timeline and in the log, once in
// slowEvery per volume.
func (s *sessions) SlowIO(o iscsi.SlowIO) {
	s.mu.Lock()
	defer s.mu.Unlock()
	more, tell := s.noteSlow(o.Unit, o.At)
	if !tell {
		return
	}
	text := slowText(o, more)
	s.log.Warn("slow command", "volume", o.Unit, "remote", o.Session.Remote, "text", text)
	level := recorder.Info // the machine's own doing, its link's, or a limit that somebody has set
	if o.Where() == "disk" {
		level = recorder.Warn
	}
	if b, ok := s.owner(o.Session.Owner); ok {
		s.boot.Progress(b.Boot, "", level, text)
		if o.Where() == "socket" {
			s.boot.Waits(b.Boot)
		}
	}
}

// noteSlow tells whether to tell of a slow command, and how many more there have
// been since the last time. mu is held.
func (s *sessions) noteSlow(volume string, at time.Time) (more int, tell bool) {
	n := s.slow[volume]
	if n != nil && at.Sub(n.told) < slowEvery {
		n.since++
		return 0, false
	}
	for v, old := range s.slow {
		if at.Sub(old.told) > 2*slowEvery && v != volume {
			delete(s.slow, v)
		}
	}
	if n != nil {
		more = n.since
	}
	if s.slow == nil {
		s.slow = map[string]*slowness{}
	}
	s.slow[volume] = &slowness{told: at}
	return more, true
}

// waits says in words where a slow command waited most.
var waits = map[string]string{
	"queue": "for other commands of its session", "lock": "for an ordered command", "limit": "for the limits of its volume",
	"disk": "for the server's disk", "socket": "for the machine or the network",
}

func slowText(o iscsi.SlowIO, more int) string {
	time := map[string]time.Duration{"queue": o.Queue, "lock": o.Lock, "limit": o.Limit, "disk": o.Disk, "socket": o.Socket}[o.Where()]
	what := fmt.Sprintf("%s of %s", o.Op, bytesize.Format(o.Length))
	if o.Op == iscsi.OpFlush {
		what = "flush"
	}
	name := "slow command"
	if o.Where() == "disk" {
		name = "slow disk"
	}
	text := fmt.Sprintf("%s: a %s on LUN %d took %s, of which %s waiting %s", name, what, o.LUN, inMillis(o.Total), inMillis(time), waits[o.Where()])
	if more > 0 {
		text += fmt.Sprintf("; %d more slow commands before it", more)
	}
	return text
}

func inMillis(d time.Duration) time.Duration { return d.Round(time.Millisecond) }
