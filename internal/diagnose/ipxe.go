package diagnose

import (
	"fmt"
	"strings"

	"bootes.dev/internal/recorder"
)

// atIPXE chooses among what happens between iPXE's first packet and its script.
func atIPXE(c Case) string {
	switch {
	case !c.Known && c.HowTo != "":
		return UnknownMachine
	case c.Loader.Chained.Times > 0:
		return LoaderLoop
	case c.Script.Refusals > 0:
		return ScriptRefused
	case c.IPXE.Full:
		return PoolExhausted
	case !c.IPXE.Has.IsValid() && !c.IPXE.From.IsValid():
		return IPXENoAddress
	}
	return ScriptNotFetched
}

// severalAsked is how often iPXE, which asks four times in half a minute, must be
// heard before its port forwards for good.
const severalAsked = 3

func ipxeNoAddress(c Case) report {
	f := c.asked(c.IPXE, "iPXE")
	f.add(c.DHCP.Has.IsValid(), "its firmware had got %s before", c.DHCP.Has)
	r := report{
		summary:  fmt.Sprintf("iPXE asks for an address, and has not taken one for %s", since(c.Silent)),
		evidence: f,
	}
	tree := cause("spanning tree held the port of the switch back when iPXE took the card over, and iPXE gave up", "set the port to portfast (an edge port) on the switch")
	r.causes = c.noAddressCauses(c.IPXE)
	switch {
	case c.IPXE.Asked >= severalAsked: // spanning tree lets nothing through, and then all
	case c.IPXE.Late > ownLateness: // what it asked before was lost
		r.causes = append([]recorder.Cause{tree}, r.causes...)
	case c.DHCP.Has.IsValid(): // the way is open as such
		r.causes = append(r.causes, tree)
	}
	return r
}

func scriptNotFetched(c Case) report {
	f := c.asked(c.IPXE, "iPXE")
	seen, firewall, sure := c.closed(door{"tcp", c.Ports.HTTP, c.Knocks.HTTP, 0, c.Knocks.Answered})
	f.add(true, "%s", seen)
	f.add(c.Script.HTTPed, "http: of %s in the config says where scripts are: %s", c.Interface, c.Script.URL)
	r := report{
		summary:  fmt.Sprintf("iPXE has an address, and has not fetched its script, %s, for %s", c.Script.URL, since(c.Silent)),
		evidence: f,
	}
	if c.Script.HTTPed {
		r.causes = append(r.causes, cause("machines do not reach the address that http: names", "write one of this server's addresses on their network there, or take http: out, and restart the server"))
	}
	r.causes = append(r.causes, c.outside(c.IPXE)...)
	r.causes = append(r.causes, c.routerless(c.IPXE)...)
	if r = r.and(firewall...); sure {
		return r
	}
	if c.IPXE.From.IsValid() {
		r.causes = append(r.causes, cause(fmt.Sprintf("iPXE goes by a boot file that the DHCP server %s names", c.IPXE.From),
			"have that server name %s to clients with option 175 or user class iPXE; `bootes dhcp-snippet dnsmasq` (kea, isc, windows, mikrotik, pfsense) prints how", c.Script.URL))
	}
	if c.IPXE.Relay.IsValid() && !c.IPXE.Routerless.IsValid() {
		r.causes = append(r.causes, c.noWay(door{"tcp", c.Ports.HTTP, 0, 0, 0}))
	}
	r.causes = append(r.causes, cause("somebody pressed a key on its keyboard, and iPXE waits at its prompt", "look at its screen; `%s` tries the same way", c.simulate()))
	return r
}

func scriptRefused(c Case) report {
	f := c.asked(c.IPXE, "iPXE")
	f.add(true, "it asked for its script %s", times(c.Script.Refusals))
	text, remedy := split(c.Script.Refused)
	if remedy == "" {
		remedy = fmt.Sprintf("`%s` asks for it as the machine does", c.simulate())
	}
	return report{
		summary:  "iPXE asks for its script, and is refused: " + text,
		evidence: f,
		causes:   []recorder.Cause{{Text: text, Remedy: remedy}},
	}
}

// split parts a reason of this server's from the remedy that it ends with: by
// house style, the command is what follows the last colon.
func split(reason string) (text, remedy string) {
	i := strings.LastIndex(reason, ": ")
	if i < 0 || !strings.Contains(reason[i:], "`") {
		return reason, ""
	}
	return reason[:i], reason[i+2:]
}
