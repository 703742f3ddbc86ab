package diagnose

import (
	"fmt"
	"net/netip"

	"bootes.dev/internal/recorder"
)

// Way is how this server reaches the relay of a machine that has stopped.
type Way struct {
	Known     bool
	Missing   bool // there is none
	Interface string
	Gateway   netip.Addr // zero: it is on the interface's wire
	Default   bool       // no route names its network
	Answers   bool       // to a ping
	From      netip.Addr // where the relay sends from, if that is on a wire of ours
}

// way is what this server found when it looked at its own way to the relay.
func (c Case) way(relay netip.Addr) (f facts) {
	w := c.Way
	if !w.Known || !relay.IsValid() {
		return nil
	}
	by := fmt.Sprintf("over %s", w.Interface)
	if w.Gateway.IsValid() {
		by += fmt.Sprintf(" by the router %s", w.Gateway)
	}
	if w.Default {
		by += ", its default route"
	}
	f.add(w.Missing, "this server has no route to the relay %s", relay)
	f.add(!w.Missing && w.Answers, "this server reaches the relay %s %s: that answers a ping", relay, by)
	f.add(!w.Missing && !w.Answers, "this server sends to the relay %s %s: that answers no ping", relay, by)
	return f
}

// wayBack are the causes on this server's own way to the relay that d asks
// through. That it gives no answer to a ping shows nothing where a route is its own.
func (c Case) wayBack(d DHCP) []recorder.Cause {
	w := c.Way
	if !w.Known || w.Answers || !w.Missing && !w.Default {
		return nil
	}
	text := fmt.Sprintf("this server has no route back to %s, so its answers go nowhere", d.behind())
	if !w.Missing {
		text = fmt.Sprintf("this server has no route of its own back to %s: its answers go to its default router %s, which does not bring them there", d.behind(), w.Gateway)
	}
	via := "ROUTER"
	if w.From.IsValid() {
		via = w.From.String()
	}
	remedy := fmt.Sprintf("ip route add %s via %s dev %s; and the same in this server's network configuration, so that it is there after a restart", d.behind(), via, c.Interface)
	if via == "ROUTER" {
		remedy = "with ROUTER, that which is on this server's wire and leads there: " + remedy
	} else {
		remedy += fmt.Sprintf(" (%s is where the relay's messages come from on %s)", via, c.Interface)
	}
	return []recorder.Cause{{Text: text, Remedy: remedy}}
}

// behind is the network behind the relay, as far as it is known.
func (d DHCP) behind() string {
	if d.Network.IsValid() {
		return d.Network.String()
	}
	return d.Relay.String()
}

// atRelay are OFFERs that are lost at the relay, or before.
func (c Case) atRelay(d DHCP) recorder.Cause {
	text := fmt.Sprintf("our OFFERs do not reach the relay %s, or it does not pass them on", d.Relay)
	remedy := fmt.Sprintf("ping %s from here; let UDP from %s, port 67, to %s, port 67, through every firewall in between", d.Relay, c.Server, d.Relay)
	if c.Way.Answers {
		text = fmt.Sprintf("a firewall on the way drops our OFFERs to the relay %s, or that does not pass them on: it can be reached from here", d.Relay)
		remedy = fmt.Sprintf("let UDP from %s, port 67, to %s, port 67, through every firewall in between; see whether the relay's log shows them", c.Server, d.Relay)
	}
	return recorder.Cause{Text: text, Remedy: remedy}
}
