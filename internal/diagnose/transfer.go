package diagnose

import (
	"fmt"
	"time"

	"bootes.dev/internal/recorder"
)

// small is the length of a packet that passes wherever IPv4 does (RFC 791, 3.1): that
// of TFTP without options is shorter.
const small = 576

// pingHeaders are the IPv4 and ICMP headers of a ping.
const pingHeaders = 28

func (c Case) transferred() (f facts) {
	t := c.Loader.Failed
	at := ""
	if t.Alike {
		at = ", at the same place"
	}
	why := ": " + t.Why
	if t.Repeated > 0 { // "stopped answering" would be no more than that its answers were always the same
		why = ""
	}
	f.add(true, "%s of %s broke off after %d bytes, %s%s%s", t.Proto, t.Name, t.Bytes, times(t.Times), at, why)
	f.add(!t.Answered && t.Bytes == 0, "the machine asked, and answered nothing that was sent to it")
	f.add(c.Loader.Stuck > 0, "it answered small packets, and none of %d bytes", c.Loader.Stuck)
	f = append(f, c.way(c.DHCP.Relay)...)
	f.add(t.Resent > 0, "%d packets were sent again", t.Resent)
	f.add(t.vanished(), "it did not ask for them again, as a machine does that lacks a packet: it was gone")
	f.add(t.Repeated > 0, "it asked for the next packet %s more: it was there, and that packet did not reach it", times(t.Repeated))
	return f
}

// inVain is how often a machine must have asked for a packet that was sent each time,
// and never came, before that is no chance.
const inVain = 3

// vanished reports whether the machine, and not a packet, was lost: by TFTP it would
// have repeated its last ACK.
func (t Transfer) vanished() bool {
	return t.Proto == "TFTP" && t.Bytes > 0 && t.Resent > 0 && t.Repeated == 0 && !t.Restarted
}

// Stuck reports whether small packets got through, and no full one.
func (t Transfer) Stuck() bool { return t.Answered && t.Bytes == 0 && t.Packet > small }

// lossy reports whether a file was fetched whole, and no sound network takes that
// long and repeats so much.
func (l Loader) lossy() bool { return Lossy(l.Took, l.Resent) }

// Lossy is the same of one transfer: how long it took, and how many packets, or
// windows of them, were sent again.
func Lossy(took time.Duration, resent int) bool { return resent >= 10 && took > 5*time.Second }

// Creeps reports whether a file was sent slower than any sound network of a site
// sends it.
func Creeps(took time.Duration, bytes int64) bool {
	return took > 5*time.Second && perSecond(bytes, took) < 32<<10
}

// again reports whether a file was begun, and begun anew: one of which nothing
// gets through is the same however often it is asked for.
func (t Transfer) again() bool { return t.Times > 1 && (t.Bytes > 0 || t.Restarted) }

func (t Transfer) kind() string {
	switch {
	case t.Proto == "HTTP":
		return HTTPTimeout
	case t.again():
		return TFTPRestarted
	}
	return TFTPTimeout
}

func tftpTimeout(c Case) report {
	t := c.Loader.Failed
	r := report{
		summary:  fmt.Sprintf("it began to fetch %s and stopped answering after %d bytes", t.Name, t.Bytes),
		evidence: c.transferred(),
		causes:   c.transferCauses(),
	}
	if t.Repeated > 0 {
		r.summary = fmt.Sprintf("it began to fetch %s, and after %d bytes waited in vain for its next packet", t.Name, t.Bytes)
	}
	return r
}

func httpTimeout(c Case) report {
	t := c.Loader.Failed
	return report{
		summary:  fmt.Sprintf("it began to fetch %s by HTTP, and gave up after %d bytes", t.Name, t.Bytes),
		evidence: c.transferred(),
		causes:   c.transferCauses(),
	}
}

func tftpRestarted(c Case) report {
	t := c.Loader.Failed
	end := "fell silent"
	switch {
	case t.Repeated > 0:
		end = "waited in vain for its next packet"
	case t.vanished():
		end = "was gone in the middle of it"
	}
	return report{
		summary:  fmt.Sprintf("it has begun to fetch %s %s, and each time %s", t.Name, times(t.Times), end),
		evidence: c.transferred(),
		causes:   c.transferCauses(),
	}
}

func (c Case) transferCauses() []recorder.Cause {
	t := c.Loader.Failed
	away := cause("it was switched off or restarted meanwhile", "let it try again")
	restarts := cause("the machine restarts while it loads: a watchdog, its power supply, a time-out of its firmware, or a hand",
		"look at its screen; let it wait for longer in its firmware set-up; try another loader: bootes machine set %s --loader FILE", c.Subject)
	back := cause("a firewall lets port 69 in, and not the port from which the file is sent (RFC 1350 wants another one)",
		"write `tftp: {single_port: true}` into the config and restart the server, or let all UDP to and from the machines through")
	route := cause("what is sent to the machine does not reach it", "ping %s from here; where a relay is between, see that the router there knows the way", c.address())
	filter := cause(fmt.Sprintf("something on the way lets nothing more through from byte %d of %s on: a firewall or an intrusion detection that ends what it does not know, or a limit of packets", t.Bytes, t.Name),
		"take that out of the way, or let UDP between %s and the machines through as it is; try the machine at another port of the switch", c.Server)
	lossy := cause("the link loses packets", "look at the errors of the port of the switch; change its cable; take auto-negotiation at both ends")
	switch {
	case !t.Answered && t.Bytes == 0:
		return append(c.wayBack(c.DHCP), back, route, away)
	case c.Loader.Stuck > 0:
		return []recorder.Cause{c.stuck(), away}
	case t.Repeated >= inVain, t.Repeated > 0 && t.Alike:
		return []recorder.Cause{filter, lossy}
	case t.again() && t.Repeated > 0:
		return []recorder.Cause{lossy, restarts}
	case t.again():
		return []recorder.Cause{restarts, lossy}
	case t.Repeated > 0:
		return []recorder.Cause{lossy, away}
	}
	return []recorder.Cause{away, lossy}
}

// stuck is a link on the way that drops what is too large for it without a word.
func (c Case) stuck() recorder.Cause {
	return cause(fmt.Sprintf("large packets do not get through: an MTU on the way is below that of %s", c.Interface),
		"ping -M do -s %d %s from here, while it has its address; find the link whose MTU is smaller (VLAN, VPN, jumbo frames at one end)",
		c.Loader.Stuck-pingHeaders, c.address())
}

// address is the machine's, as far as it is known.
func (c Case) address() string {
	if a := c.Address(); a.IsValid() {
		return a.String()
	}
	return "ITS-ADDRESS"
}
