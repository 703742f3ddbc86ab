package diagnose

import (
	"fmt"

	"bootes.dev/internal/recorder"
)

// Knocks counts what of the machine's reached the network card of this server,
// before any firewall of this server.
type Knocks struct {
	Known             bool // it was listened for
	TFTP, HTTP, ISCSI int
	Proxy             int // port 4011
	Answered          int // times that this computer answered at HTTP's
}

// door is a port of this server by which a machine did not come.
type door struct {
	proto   string
	port    uint16
	knocks  int
	others  int // machines that came in by it
	answers int // that this computer sent from there
}

func (d door) String() string { return fmt.Sprintf("%s/%d", d.proto, d.port) }

// closed says what was seen at a door. Where the network card saw the machine
// knock, it is certain who keeps the door closed: sure.
func (c Case) closed(d door) (seen string, causes []recorder.Cause, sure bool) {
	shut := fmt.Sprintf("a firewall of this server keeps %s closed", d)
	if d.knocks > 0 && d.others > 0 {
		shut = fmt.Sprintf("a firewall of this server keeps %s closed to this machine, by its MAC or its address, or did so for a while: %s came through", d, others(d.others))
	}
	firewall := cause(shut, "%s", c.openPort(d.proto, d.port))
	drops := fmt.Sprintf("something between the machine and this server drops %s: an access list of a switch, a router's firewall", d)
	if c.Stage == recorder.StageFirmware && !c.DHCP.Relay.IsValid() { // nothing but DHCP has come through yet
		drops = fmt.Sprintf("something between the machine and this server drops %s, or all but DHCP: client isolation (a private VLAN, a protected port), ARP inspection or an access list of a switch", d)
	}
	filter := cause(drops,
		"let udp/%d (TFTP, which answers from other ports), tcp/%d and tcp/%d from its network to %s through there, and what answers it", c.Ports.TFTP, c.Ports.HTTP, c.Ports.ISCSI, c.Server)
	switch {
	case !c.Knocks.Known:
		return fmt.Sprintf("nothing came to %s", d), []recorder.Cause{firewall}, false
	case d.knocks > 0 && d.answers > 0:
		back := cause("what this server answers does not reach the machine, or far too late: something between drops or delays it, or this server's own traffic shaping does",
			"ping -c 5 %s from here shows how long the way takes; tc qdisc show dev %s shows what shapes it here; let what comes from %s through every firewall in between", c.address(), c.Interface, d)
		return fmt.Sprintf("its packets to %s reached this server (%d of them), which answered %s; the machine did not go on", d, d.knocks, times(d.answers)), []recorder.Cause{back}, true
	case d.knocks > 0:
		return fmt.Sprintf("its packets to %s reached the network card of this server (%d of them), and not the program", d, d.knocks), []recorder.Cause{firewall}, true
	}
	return fmt.Sprintf("none of its packets to %s reached the network card of this server: no firewall here is in the way", d), []recorder.Cause{filter}, false
}

// routerless is the cause where we ourselves have told the machine no router.
func (c Case) routerless(d DHCP) []recorder.Cause {
	if !d.Routerless.IsValid() {
		return nil
	}
	return []recorder.Cause{cause(fmt.Sprintf("this server tells the machines of %s no router, so they know no way to %s", d.Routerless, c.Server),
		"write `router: ADDRESS` beside `prefix: %s`, under subnets: of %s in the config, and restart the server; ADDRESS is the router's there, often that of the relay, %s", d.Routerless, c.Interface, d.Relay)}
}

// noWay is a router that is there, and does not lead here.
func (c Case) noWay(d door) recorder.Cause {
	if c.Way.Answers {
		return cause(fmt.Sprintf("no way leads from the machine's network to %s; back from here there is one", c.Server),
			"see that its router (router: in the config) knows the way here, and lets %s through", d)
	}
	return cause(fmt.Sprintf("no way leads from the machine's network to %s, or none back", c.Server), "see that its router (router: in the config) knows the way here, and this server the way there (ip route get %s); let %s through it", c.address(), d)
}
