package diagnose

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"bootes.dev/internal/recorder"
)

// alive reports whether a system that answers no ping, or has no session any more,
// is there after all.
func (c Case) alive() bool { return (c.System.Deaf || c.System.Lost()) && c.Heard.Anything }

// Lost reports whether the system has no session any more, and has not said that it
// ends it.
func (s System) Lost() bool { return !s.Open && s.Ended != "" && !s.LoggedOut }

// closes is why a session ended whose initiator has closed its connection in order.
const closes = "initiator closed"

// others are the addresses that its network card was heard to use, less that by
// which it had opened its disk.
func (c Case) others() (all []string) {
	its := c.Address()
	for _, a := range append([]netip.Addr{c.System.Took}, c.Heard.From...) {
		if a.IsValid() && a != its && !slices.Contains(all, a.String()) {
			all = append(all, a.String())
		}
	}
	return all
}

// Address is that of its firmware, and of iPXE, by which it opens its disk.
func (c Case) Address() netip.Addr {
	if c.IPXE.Has.IsValid() {
		return c.IPXE.Has
	}
	return c.DHCP.Has
}

// heard is what its network card tells of a system that answers no ping.
func (c Case) heard() (f facts) {
	h := c.Heard
	if !c.System.Deaf && !c.System.Lost() || !h.Known {
		return nil
	}
	others := c.others()
	f.add(!h.Anything, "nothing has come from its network card since")
	f.add(h.Anything && len(others) == 0, "packets still come from its network card: it has power, and a link")
	f.add(h.Anything && len(others) > 0, "packets still come from its network card, and it uses the address %s now; it had opened its disk from %s", strings.Join(others, " and "), c.address())
	f.add(slices.Contains(h.From, c.Address()), "%s is still an address of its", c.address())
	return f
}

// Absent says of a system that ran for long, and then answered no ping, that it is
// gone; "" if it is not so. People switch machines off.
func Absent(c Case) string {
	s := c.System
	if !s.Deaf || s.Lasted < recorder.ShortRun || !c.Heard.Known || c.Heard.Anything {
		return ""
	}
	return fmt.Sprintf("nothing has come from its network card for %s: it was switched off, or has lost its power or its link, or hangs", since(c.Silent))
}

// goneCauses are why a system loses its disk. One that was there a moment ago and
// answers no ping has stopped, or has no network any more.
func (c Case) goneCauses() []recorder.Cause {
	panicked := cause("the kernel stopped (panic)", "look at its screen, or at its serial console (console=ttyS0 on the kernel's command line)")
	network := c.reconfigured()
	off := cause("it was switched off", "switch it on")
	switch ended := c.System.Ended; {
	case c.alive() && slices.Contains(c.Heard.From, c.Address()):
		return []recorder.Cause{
			c.ownFirewall(),
			c.forgotten(),
			network}
	case c.alive():
		return []recorder.Cause{network}
	case strings.Contains(ended, closes): // its kernel lived, and had heard nothing from here
		return []recorder.Cause{network, off, panicked}
	case c.System.Deaf && c.Heard.Known:
		return []recorder.Cause{panicked, off, c.linkGone(), network}
	case c.System.Deaf, strings.Contains(ended, "timed out"), strings.Contains(ended, "timeout"):
		return []recorder.Cause{panicked, network, off}
	}
	return []recorder.Cause{panicked, off, network}
}

func (c Case) ownFirewall() recorder.Cause {
	return cause("a firewall that its system has started drops what comes from this server", "in the image, let tcp/%d from %s through", c.Ports.ISCSI, c.Server)
}

// reconfigured is a system that takes from its network card what its disk needs.
func (c Case) reconfigured() recorder.Cause {
	text := "its system took the network card down to configure it anew, and with it the disk"
	switch others := c.others(); {
	case c.alive() && len(others) > 0:
		text = fmt.Sprintf("its own network setup has given its network card the address %s, and has taken %s from it, by which it has its disk", strings.Join(others, " and "), c.address())
	case c.alive():
		text = fmt.Sprintf("its own network setup has taken %s from its network card, by which it has its disk", c.address())
	}
	return cause(text, "bootes image update %s --machine %s, and there let the system leave that card alone: KeepConfiguration=yes in its .network file (systemd-networkd), "+
		"`iface NAME inet manual` (/etc/network/interfaces), or unmanaged (NetworkManager)", c.Disk.Image, c.Subject)
}
