package diagnose

import (
	"fmt"
	"slices"
	"strings"
	"syscall"
	"time"

	"bootes.dev/internal/recorder"
)

// proxyPort is where firmware asks a proxy (PXE 2.1, 2.4.1).
const proxyPort = 4011

// ownLateness is what iPXE says of its first DISCOVER, whenever it comes.
const ownLateness = 4 * time.Second

// atFirmware chooses among what happens before a loader has been fetched.
func atFirmware(c Case) string {
	d, failed := c.DHCP, c.Loader.Failed
	switch {
	case !c.Known && d.File == "" && c.HowTo != "":
		return UnknownMachine
	case d.File == "" && d.NoBoot != "":
		return NoLoader
	case failed.Times > 0:
		return failed.kind()
	case c.Loader.Missing != "":
		return WrongBootFile
	case d.Full:
		return PoolExhausted
	case d.From.IsValid() && !d.Proxied && c.Loader.Asked == "":
		return OfferIgnored
	case !d.Has.IsValid():
		return NoAddress
	}
	return LoaderNotFetched
}

// asked is what was seen of an exchange of DHCP.
func (c Case) asked(d DHCP, who string) (f facts) {
	f.add(d.Asked > 0, "%s asked for an address %s on %s", who, times(d.Asked), c.Interface)
	f.add(d.Relay.IsValid(), "through the relay %s", d.Relay)
	f = append(f, c.way(d.Relay)...)
	f.add(d.Late > ownLateness, "when it was first heard it had been asking for %s", since(d.Late))
	f.add(d.Answered > 0 && d.Offered.IsValid(), "it was offered %s %s", d.Offered, times(d.Answered))
	f.add(d.Answered > 0 && d.File != "", "it was told %s to boot %s", times(d.Answered), d.File)
	f.add(d.Proxied, "it asked on port 4011, too, and was answered")
	f.add(d.Routerless.IsValid(), "it was told no router")
	f.add(d.Refused != "" && d.Answered > 0, "its last message was not answered: %s", d.Refused)
	switch {
	case d.From.IsValid() && d.Has.IsValid():
		f.add(true, "it took the address %s of the DHCP server %s", d.Has, d.From)
		f.add(d.Outside.IsValid(), "%s is not of this server's network on %s, %s", d.Has, c.Interface, d.Outside)
	case d.From.IsValid():
		f.add(true, "it took the address of the DHCP server %s", d.From)
	case d.Has.IsValid():
		f.add(true, "it has the address %s of ours", d.Has)
	}
	return f
}

func unknownMachine(c Case) report {
	f := c.asked(c.DHCP, c.firmware())
	f.add(true, "no machine has the network card %s", c.MAC)
	r := report{summary: "it was told nothing to boot: nobody has added this machine", evidence: f}
	if c.Script.Waiting {
		r.summary = "it waited for approval, and has been silent for " + since(c.Silent)
	}
	if n := c.Near; n.Machine != "" {
		r = r.and(cause(fmt.Sprintf("it is %s, whose MAC address was mistyped: %s, of which nothing has ever been seen, differs in a digit or two", n.Machine, n.MAC), "bootes machine set %s --mac %s", n.Machine, c.MAC))
	}
	return r.and(
		cause("it is new here", "%s", c.HowTo),
		cause("it is a machine that was added by another of its network cards", "bootes machine set NAME --mac MAC,%s", c.MAC))
}

func noLoader(c Case) report {
	text, remedy, ok := strings.Cut(c.DHCP.NoBoot, ": ")
	if !ok {
		remedy = "`bootes loaders` says what is missing, and where to put it"
	}
	f := c.asked(c.DHCP, c.firmware())
	return report{
		summary:  "it was told nothing to boot: " + text,
		evidence: f,
		causes:   []recorder.Cause{{Text: text, Remedy: remedy}},
	}
}

func noAddress(c Case) report {
	r := report{
		summary:  fmt.Sprintf("%s asks for an address, and has not taken one for %s", c.firmware(), since(c.Silent)),
		evidence: c.asked(c.DHCP, c.firmware()),
	}
	switch d := c.DHCP; {
	case d.Answered == 0 && d.Refused != "":
		text, _ := split(d.Refused)
		r.summary = fmt.Sprintf("%s asks for an address, and this server has not answered it for %s: %s", c.firmware(), since(c.Silent), text)
	case d.Proxy && d.givers() == "":
		r.summary = fmt.Sprintf("%s asks for an address, and nobody on %s gives any", c.firmware(), c.Interface)
	}
	r.causes = c.noAddressCauses(c.DHCP)
	return r
}

// noAddressCauses are why neither our OFFERs nor anybody else's led to an
// address.
func (c Case) noAddressCauses(d DHCP) []recorder.Cause {
	switch {
	case d.Answered == 0 && c.Way.Missing && strings.HasSuffix(d.Refused, syscall.ENETUNREACH.Error()):
		return c.wayBack(d)
	case d.Answered == 0 && d.Refused != "":
		return append(c.wayBack(d), c.unanswered(d))
	case d.Proxy:
		return c.noServerCauses(d)
	}
	lost := cause("a switch drops our OFFERs (DHCP snooping)",
		"on the switch, trust the port that this server is at (Cisco: ip dhcp snooping trust); `bootes boot pcap %s` shows that they were sent", c.Subject)
	if d.Relay.IsValid() {
		return append(c.wayBack(d), c.atRelay(d), lost)
	}
	firewall := cause("a firewall of this server drops what it sends, or the link loses it", "bootes doctor")
	if d.Heard > 0 {
		return []recorder.Cause{cause("its own cable, port of the switch, or VLAN loses what we send: other machines there have taken ours", "move it to the port of one that boots"), lost}
	}
	return []recorder.Cause{lost, firewall}
}

// unanswered is why this server did not answer.
func (c Case) unanswered(d DHCP) recorder.Cause {
	reason, remedy := split(d.Refused)
	text := "this server did not answer it: " + reason
	if d.Relay.IsValid() && !d.Network.IsValid() && !c.Way.Missing {
		return cause(text, "write `- {prefix: NETWORK, range: FIRST-LAST, router: %s}` under subnets: of %s in the config, NETWORK being that of %s, the relay, which as a rule is the router there (beside another DHCP server: the prefix alone); restart the server", d.Relay, c.Interface, d.Relay)
	}
	if remedy != "" {
		return recorder.Cause{Text: text, Remedy: remedy}
	}
	return cause(text, "do what that says, or see `bootes doctor`")
}

// noServerCauses are those of a proxy: addresses are another server's business.
func (c Case) noServerCauses(d DHCP) []recorder.Cause {
	names := d.givers()
	if names == "" {
		return []recorder.Cause{
			cause("no DHCP server is heard on "+c.Interface+", and this one gives no addresses there (dhcp: proxy)",
				"switch the DHCP server on that should be there; or write `dhcp: server` and `range:` for %s into the config and restart this one. `bootes dhcp-status` shows who answers", c.Interface),
		}
	}
	return []recorder.Cause{
		cause(fmt.Sprintf("the DHCP server %s has no address left for it, or is told not to serve it", names), "look into the log of %s for %s", names, c.MAC),
		cause("its offers do not reach the machine: another VLAN, or DHCP snooping on the switch", "see whether another machine gets an address at the same port of the switch"),
	}
}

// givers are the other DHCP servers that give addresses.
func (d DHCP) givers() string {
	var all []string
	for _, o := range d.Others {
		if !o.Proxy {
			all = append(all, o.Addr.String())
		}
	}
	return strings.Join(all, ", ")
}

// rival is the server whose address it took, as far as that is known.
func (d DHCP) rival() (o Server) {
	if i := slices.IndexFunc(d.Others, func(o Server) bool { return o.Addr == d.From }); i >= 0 {
		o = d.Others[i]
	}
	return o
}

// named is the boot file that the server names whose address it took, and from
// where; "": none, as far as that is known.
func (d DHCP) named() string {
	o := d.rival()
	if o.File != "" && o.Next.IsValid() {
		return fmt.Sprintf("%s, from %s", o.File, o.Next)
	}
	return o.File
}

func offerIgnored(c Case) report {
	d := c.DHCP
	f := c.asked(d, c.firmware())
	if !d.Proxy {
		by := ""
		if mac := d.rival().MAC; mac != "" {
			by = ", which its MAC address " + mac + " finds in the tables of the switches,"
		}
		return report{
			summary:  fmt.Sprintf("it took an address of the DHCP server %s, and not of this one", d.From),
			evidence: f,
			causes: []recorder.Cause{cause(fmt.Sprintf("two DHCP servers answer on %s, and that one was faster", c.Interface),
				"switch %s%s off; or write `dhcp: proxy` for %s into the config and restart this server: then that one gives the addresses, and this one says what to boot", d.From, by, c.Interface)},
		}
	}
	if c.Knocks.Proxy > 0 {
		seen, firewall, _ := c.closed(door{"udp", proxyPort, c.Knocks.Proxy, 0, 0})
		return report{
			summary:  fmt.Sprintf("it took an address of the DHCP server %s, and asks this one what to boot, without an answer", d.From),
			evidence: append(f, seen), causes: firewall,
		}
	}
	f.add(true, "it asked for nothing on port 4011, by TFTP or by HTTP")
	f.add(d.Heard > 0, "%s on %s came for what was to be booted", others(d.Heard), c.Interface)
	f.add(d.Heard == 0, "no other machine on %s has come for what it was told since this server was started", c.Interface)
	f.add(d.named() != "", "%s names the boot file %s to those who ask", d.From, d.named())
	why := "its firmware ignores the offers of proxies, or goes by a boot file that " + d.From.String() + " names"
	if d.named() != "" {
		why = fmt.Sprintf("it goes by the boot file that %s names, and not by ours: %s", d.From, d.named())
	}
	firmware := cause(why, "have the DHCP server %s say it: option 66 (next-server) %s, option 67 (boot file) %s; `bootes dhcp-snippet dnsmasq` (kea, isc, windows, mikrotik, pfsense) prints all of it",
		d.From, c.Server, d.File)
	snooping := cause("a switch drops our offers (DHCP snooping)",
		"on the switch, trust the port that this server is at (Cisco: ip dhcp snooping trust); `bootes boot pcap %s` shows that they were sent; a capture at the machine's port would show whether they arrive", c.Subject)
	r := report{
		summary:  fmt.Sprintf("it took an address of the DHCP server %s, and for %s has not come for the boot file that it was told of", d.From, since(c.Silent)),
		evidence: f,
		causes:   []recorder.Cause{snooping, firmware},
	}
	r.causes = append(c.outside(d), r.causes...)
	if d.Outside.IsValid() {
		r.summary = fmt.Sprintf("it took the address %s of the DHCP server %s, which is of another network than this server's, %s, and for %s has not come for the boot file that it was told of", d.Has, d.From, d.Outside, since(c.Silent))
		return r
	}
	if d.Heard > 0 || d.named() != "" { // the offers get through to others, or there is something else to go by
		r.causes = []recorder.Cause{firmware, snooping}
	}
	return r
}

// outside is the cause where another server has given an address from which the
// machine does not reach us.
func (c Case) outside(d DHCP) []recorder.Cause {
	if !d.Outside.IsValid() {
		return nil
	}
	return []recorder.Cause{cause(fmt.Sprintf("the DHCP server %s gives addresses of another network than this server's, %s: from %s the machine does not reach %s", d.From, d.Outside, d.Has, c.Server),
		"have the DHCP server %s give addresses of %s, or switch it off if it does not belong there (`bootes dhcp-status` shows its network card); where both networks are on that wire on purpose, "+
			"its router must lead from %s to %s", d.From, d.Outside, d.Has, c.Server)}
}

func loaderNotFetched(c Case) report {
	f := c.asked(c.DHCP, c.firmware())
	d := door{"udp", c.Ports.TFTP, c.Knocks.TFTP, c.DHCP.Heard, 0}
	if c.Firmware.HTTP {
		d = door{"tcp", c.Ports.HTTP, c.Knocks.HTTP, 0, c.Knocks.Answered}
	}
	seen, firewall, sure := c.closed(d)
	f.add(c.Loader.Asked == "", "%s", seen)
	f.add(c.Loader.Asked != "", "it asked for %s and has not taken it", c.Loader.Asked)
	r := report{
		summary:  fmt.Sprintf("it has an address and was told to boot %s, and has not asked for that for %s", c.DHCP.File, since(c.Silent)),
		evidence: f,
	}
	if c.Loader.Asked != "" {
		r.summary = fmt.Sprintf("it asked for %s, and for %s has neither taken it whole nor given it up", c.Loader.Asked, since(c.Silent))
		return r.and(cause("the link loses nearly all packets", "look at the errors of the port of the switch; change its cable; take auto-negotiation at both ends"))
	}
	if d.proto == "udp" && d.port != 69 {
		return r.and(cause(fmt.Sprintf("boot ROMs ask for files at port 69, and TFTP is served at %d", d.port), "take `tftp: %d` out of ports: in the config and restart the server", d.port))
	}
	r.causes = append(r.causes, c.routerless(c.DHCP)...)
	if r = r.and(firewall...); sure {
		return r
	}
	if c.DHCP.Relay.IsValid() && !c.DHCP.Routerless.IsValid() {
		r = r.and(c.noWay(d))
	}
	return r.and(cause("its firmware stopped before that: a key was pressed, or it was switched off", "look at its screen; `%s` tries the same way", c.simulate()))
}

func wrongBootFile(c Case) report {
	f := c.asked(c.DHCP, c.firmware())
	f.add(true, "it asked for %s, which no folder of loaders has", c.Loader.Missing)
	f.add(c.DHCP.named() != "", "%s names the boot file %s to those who ask", c.DHCP.From, c.DHCP.named())
	other := cause("another DHCP server names that file to it (option 67)", "have that server name %s there, or nothing; `bootes dhcp-snippet dnsmasq` (kea, isc, windows, mikrotik, pfsense) prints what it must be told", c.DHCP.File)
	if c.DHCP.From.IsValid() {
		other.Text = fmt.Sprintf("the DHCP server %s names that file to it (option 67)", c.DHCP.From)
	}
	gone := cause("the file was taken away", "put %s into a folder of loaders: in the config; `bootes loaders` shows them", c.Loader.Missing)
	causes := []recorder.Cause{other, gone}
	switch c.Loader.Missing {
	case c.Loader.Told:
		causes = []recorder.Cause{gone}
	case c.DHCP.rival().File:
		causes = []recorder.Cause{other}
	}
	return report{summary: fmt.Sprintf("it asks for the boot file %s, which is not there", c.Loader.Missing), evidence: f, causes: causes}
}
