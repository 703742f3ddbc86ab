package diagnose

import (
	"fmt"

	"bootes.dev/internal/recorder"
)

// Reopens is how often a system opens its disk anew, with nothing said, before that
// is one that keeps losing it: iscsid does so once when it takes over.
const Reopens = 3

// connectionLost is a system that loses its connection, and makes it again.
func connectionLost(c Case) report {
	var f facts
	f.add(true, "it opened its disk %s in all, and did not log out in between", times(c.Reopened+1))
	f.add(true, "the last session before the present one ended so: %s", c.LostBy)
	f.add(true, "this server was not restarted in that time")
	r := report{
		summary:  fmt.Sprintf("its system loses the connection to its disk again and again: %s within %s", times(c.Reopened), since(c.Going)),
		evidence: append(f, c.heard()...),
	}
	return r.and(
		c.forgotten(),
		cause("a link on the way goes down for moments", "look at the log of the switch, and at the errors of the ports; change the cable"),
		c.reconfigured())
}

// forgotten is a connection that something on the way does not know any more.
func (c Case) forgotten() recorder.Cause {
	return cause("a firewall, or a router that translates addresses, on the way has forgotten the connection, and drops what belongs to it",
		"on each of them, let connections to tcp/%d of %s live for a day (conntrack's time-out of established ones), and let both directions go the same way; "+
			"`bootes boot pcap %s` shows what still arrives here", c.Ports.ISCSI, c.Server, c.Subject)
}
