package dhcp

import "strings"

// mayLease decides who gets an address in server mode: known machines and
// hosts, and firmware that is booting from the network (or nobody could see why
// an unknown PC does not boot); others only if the config says so.
func (x *exchange) mayLease() (ok bool, reason string) {
	_, host := x.host()
	if x.d.Serve || x.q.NetBoot || host || x.l.config.ServeUnknown {
		return true, ""
	}
	return false, because(x.d, "unknown machine: addresses go to known machines only")
}

// noBoot says why a client is not told what to boot, "" if it is.
func (x *exchange) noBoot() string {
	switch {
	case !x.q.NetBoot:
		return "is not booting from the network"
	case !x.d.Boot:
		return because(x.d, "has nothing to boot")
	case x.d.Filename == "":
		return because(x.d, "no boot file for firmware "+x.q.Firmware.String())
	case x.q.Firmware.HTTP() && !strings.Contains(x.d.Filename, "://"):
		return "HTTP boot needs a URL, not the file " + x.d.Filename
	}
	return ""
}

func because(d Decision, otherwise string) string {
	if d.Reason != "" {
		return d.Reason
	}
	return otherwise
}

// proxy answers as a ProxyDHCP server: firmware only, with no address.
func (x *exchange) proxy() outcome {
	if reason := x.noBoot(); reason != "" {
		return silence("%s", reason)
	}
	if x.q.Relay.IsValid() && x.seg == nil { // anybody could be that relay, and would be given scripts
		reason := x.noSegment()
		x.l.strangers.warn(x, reason)
		return silence("%s", reason)
	}
	switch {
	case x.q.Type == Discover && x.l.config.Auto && !x.q.Relay.IsValid() && x.l.others.alone(): // a relay's server is elsewhere
		return silence("no DHCP server answers on this network: %s", x.l.others.whenAlone())
	case x.q.Port == ServerPort && x.q.Type == Discover:
		return x.answer(Offer, x.message(Offer))
	case x.q.Port == ProxyPort && (x.q.Type == Request || x.q.Type == Inform):
		p := x.message(ACK)
		p.ClientIPAddr = x.m.ClientIPAddr
		return x.answer(ACK, p)
	}
	return silence("%s on port %d is for this network's DHCP server, we are its proxy", x.q.Type, x.q.Port)
}
