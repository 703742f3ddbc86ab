package diagnose

import (
	"fmt"
	"net"
	"net/netip"

	"bootes.dev/internal/recorder"
)

// Conflict is who else has the addresses that a boot goes between.
type Conflict struct {
	Machine []Card // that say that they have the machine's address, and are not its own
	Server  []Card // that say that they have this server's
	Alive   bool   // the machine's own card answered when it was asked
}

// Card is a network card that is not the machine's.
type Card struct {
	MAC     string
	Machine string // of the inventory; "": of none
}

// String names the card, and what is known of it.
func (d Card) String() string {
	switch {
	case d.Machine != "":
		return fmt.Sprintf("%s (that of %s)", d.MAC, d.Machine)
	case local(d.MAC):
		return d.MAC + " (no maker's address: a virtual machine, or a device that hides its own)"
	}
	return d.MAC
}

// local reports whether a MAC is administered locally (IEEE 802, 8.2).
func local(mac string) bool {
	hw, err := net.ParseMAC(mac)
	return err == nil && hw[0]&2 != 0
}

func (x Conflict) any() bool { return len(x.Machine)+len(x.Server) > 0 }

// astray are the stops of machines that do not get what they are sent.
var astray = []string{NoAddress, LoaderNotFetched, TFTPTimeout, TFTPRestarted, IPXENoAddress, ScriptNotFetched, ScriptRefused,
	NoLogin, NoRead, NoSystemLogin, SystemSilent, SystemGone, ConnectionLost, CrashLoop}

// fought are the stops of machines that another one has stopped, too.
var fought = append([]string{LoginRefused, LoaderSilent, LoaderLoop}, astray...)

// hasTwin is what is said of a stop where two computers have one MAC address.
func (c Case) hasTwin(stop report) report {
	r := twins(c.MAC, c.Twin)
	r.evidence = append(append(r.evidence, stop.summary), stop.evidence...)
	return r.and(stop.causes[:min(1, len(stop.causes))]...)
}

// Twins says that two computers have a MAC address, and how that was seen, of a boot
// that goes on.
func Twins(mac, how string) recorder.Diagnosis {
	r := twins(mac, how)
	return recorder.Diagnosis{Kind: MACConflict, Summary: r.summary, Evidence: r.evidence, Causes: r.causes, Lasting: true}
}

func twins(mac, how string) report {
	return report{
		summary:  fmt.Sprintf("two computers have the MAC address %s: each takes the other's packets, and its disk", mac),
		evidence: []string{how},
		causes: []recorder.Cause{cause("another computer has its MAC address: a copy of a virtual machine, or a card, an adapter or a dock whose address was set by hand",
			"switch one of them off; give it an address of its own in its firmware's set-up, or in the settings of the virtual machine; and add it as a machine of its own (bootes machine add). The tables of the switches show at which ports they are")},
	}
}

// inConflict is what is said of a stop where two have one address: it explains
// what else was seen.
func (c Case) inConflict(stop report) report {
	var r report
	for _, d := range c.Conflict.Server {
		r = r.clash(c.Server, "this server", d, "take that address from it; then switch this machine off and on")
	}
	for _, d := range c.Conflict.Machine {
		r = r.clash(c.Address(), "this machine", d, fmt.Sprintf(
			"give it another one; or keep another for this machine, bootes machine set %s --address ADDRESS, and write %s under exclude: in the config", c.Subject, c.Address()))
	}
	r.evidence = append(append(r.evidence, stop.summary), stop.evidence...)
	if len(c.Conflict.Server) > 0 { // then nothing else is known
		return r
	}
	return r.and(stop.causes[:min(1, len(stop.causes))]...)
}

// clash adds that d has the address a of whose.
func (r report) clash(a netip.Addr, whose string, d Card, remedy string) report {
	both := fmt.Sprintf("two computers have the address %s: %s, and the one with the network card %s", a, whose, d)
	if r.summary == "" {
		r.summary = both
	}
	r.evidence = append(r.evidence, fmt.Sprintf("by ARP, the network card %s says that it has %s", d.MAC, a))
	return r.and(cause(fmt.Sprintf("what is sent to %s goes to that other one, %s, too", a, d), "find that device by its MAC address in the tables of the switches, and %s", remedy))
}
