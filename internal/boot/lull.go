package boot

import (
	"time"

	"bootes.dev/internal/recorder"
)

// A system that checks its root file system writes, and so seems to run; it may
// still be in its initramfs. One that goes on reads tens of MiB.

const (
	lullRead = 8 << 20         // bytes after which a system is past its initramfs
	lullTime = 3 * time.Minute // since it began to run, after which that is not asked any more
)

// lull is what a system that has begun to run reads.
type lull struct {
	ran   time.Time // zero: it was not looked at
	read  int64     // bytes, when it was
	last  Moved
	since time.Time // when that moved
	over  bool
}

// lulls reports whether a's system may still be found to read nothing. The caller
// holds the attempts' mu.
func (s *Service) lulls(a *attempt) bool {
	return s.Contents != nil && a.stage == recorder.StageRunning && !a.watch.lull.over
}

// lulled reports, once, that a's system has begun to run and reads nothing more. The
// caller holds the attempts' mu.
func (s *Service) lulled(a *attempt, moved Moved, now time.Time) bool {
	l := &a.watch.lull
	switch {
	case !s.lulls(a):
		return false
	case l.ran.IsZero():
		l.ran, l.read, l.since = now, moved.Read, now
	case moved.Read-l.read >= lullRead || !moved.System || now.Sub(l.ran) > lullTime:
		l.over = true
		return false
	}
	if moved != l.last {
		l.last, l.since = moved, now
	}
	l.over = now.Sub(l.since) >= s.hush
	return l.over
}
