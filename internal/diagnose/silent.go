package diagnose

import (
	"fmt"

	"bootes.dev/internal/recorder"
)

// systemSilent is a system that has a session, and does not answer. It may still
// come back: open-iscsi tries for 120 s.
func systemSilent(c Case) report {
	n := c.Disk.Unacknowledged
	var f facts
	f.add(true, "its session is open; the last that came by it came %s after its login", since(c.System.Lasted))
	f.add(n > 0, "%d bytes were sent to it that its TCP has not acknowledged: the connection is dead", n)
	f.add(n == 0, "its TCP has acknowledged all that was sent to it: the connection is there, and its system does not answer")
	f.add(c.Pace.Resent > 0, "of %d packets to it by TCP %d were sent again", c.Pace.Sent, c.Pace.Resent)
	r := report{
		summary:  fmt.Sprintf("its system has not answered for %s (since %s)", since(c.Silent), c.System.Silent.Local().Format("15:04:05")),
		evidence: append(f, c.heard()...),
	}
	return r.and(c.unheardCauses()...)
}

func (c Case) unheardCauses() []recorder.Cause {
	hangs := cause("its system hangs, or its kernel has stopped (panic)", "look at its screen, or at its serial console (console=ttyS0 on the kernel's command line)")
	off := cause("it was switched off", "switch it on")
	switch {
	case c.Disk.Unacknowledged == 0:
		return []recorder.Cause{hangs}
	case c.alive() && len(c.others()) > 0:
		return []recorder.Cause{c.reconfigured(), c.forgotten(), c.ownFirewall()}
	case c.alive() || c.Conflict.Alive:
		return []recorder.Cause{c.forgotten(), c.ownFirewall(), hangs}
	}
	if c.System.Lasted < recorder.ShortRun { // as it began: few cables are pulled just then
		return []recorder.Cause{hangs, c.linkGone(), off, c.forgotten()}
	}
	return []recorder.Cause{c.linkGone(), hangs, off, c.forgotten()}
}
