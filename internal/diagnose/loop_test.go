package diagnose

import (
	"time"

	"bootes.dev/internal/recorder"
)

// circling: a machine that begins anew at the same point.
func circling(st recorder.Stage, l Loop, more ...func(*Case)) Case {
	l.Starts, l.Within, l.Lasted = 3, 130*time.Second, 43*time.Second
	return at(st, append([]func(*Case){scripted, with(func(c *Case) { c.Begins, c.Loop = true, l })}, more...)...)
}

func loopCases() map[string]Case {
	const s = time.Second
	return map[string]Case{
		"crash-loop_circle": circling(recorder.StageRead, Loop{Quiet: 24 * s, Read: 22 << 20}),
		"connection-lost": at(recorder.StageRunning, up, with(func(c *Case) {
			c.System.Open, c.Reopened, c.Going, c.LostBy = true, 3, 4*time.Minute, "reinstated: the initiator logged in again"
			c.System.Ended = ""
		})),
		"crash-loop_circle-stays": circling(recorder.StageRead, Loop{Quiet: 24 * s, Read: 22 << 20}, with(func(c *Case) {
			c.Disk.Contents = Contents{Seen: true, Loads: true, ISCSI: true, CommandLine: "root=UUID=1 ro quiet panic=0"}
		})),
		"crash-loop_circle-restarts": circling(recorder.StageRead, Loop{Quiet: 24 * s, Read: 22 << 20}, with(func(c *Case) {
			c.Disk.Contents = Contents{Seen: true, Loads: true, ISCSI: true, CommandLine: "root=UUID=1 ro panic=10"}
		})),
		"crash-loop_circle-here": circling(recorder.StageRead, Loop{Quiet: 24 * s, Read: 22 << 20}, with(func(c *Case) {
			c.Past.Elsewhere, c.Past.LastRan, c.Past.LastAt = 7, "debian:13", time.Date(2026, 1, 2, 11, 0, 0, 0, time.Local)
		})),
		"crash-loop_circle-loader": circling(recorder.StageRead, Loop{Quiet: 31 * s, Read: 600 << 10}),
		"crash-loop_circle-system": circling(recorder.StageRunning, Loop{System: 18 * s, Read: 60 << 20}, with(func(c *Case) {
			c.Past.LastRan, c.Past.LastAt = "debian:12", time.Date(2026, 1, 2, 11, 0, 0, 0, time.Local)
		})),
	}
}
