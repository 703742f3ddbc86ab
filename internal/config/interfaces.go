package config

import (
	"fmt"
	"regexp"
	"slices"
)

func (r *reader) interfaces(dst *[]Interface) func(value) {
	return func(v value) {
		lines := map[string]int{}
		r.list(v, "write a list: one line \"- name: eth0\" for each interface", func(item value) {
			i := r.iface(item)
			first, twice := lines[i.Name]
			switch {
			case i.Name == "":
				return
			case twice:
				r.fault(item, fmt.Sprintf("interface %q is here a second time", i.Name),
					"the first is in line %d: make them one", first)
			default:
				lines[i.Name] = i.Line
				*dst = append(*dst, i)
			}
		})
	}
}

// ifaceForm is what Linux takes (dev_valid_name: 15 bytes, no "/", ":" or
// space), without the odd characters it takes too.
var ifaceForm = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.@-]{0,14}$`)

// iface reads one entry. Its Name is empty if it has no good one.
func (r *reader) iface(v value) Interface {
	i := Interface{DHCP: Proxy, Subnet: Subnet{Lease: DefaultLease}, Conflicts: true, Unknown: Ignore}
	i.Line, i.Column = place(v.at)
	g := given{}
	var far []farNetwork
	keys := r.subnetKeys(&i.Subnet, g)
	keys["name"] = g.note("name", r.ifname(&i.Name))
	keys["dhcp"] = g.note("dhcp", r.mode(&i.DHCP))
	keys["subnets"] = g.note("subnets", r.subnets(&far))
	keys["conflicts"] = g.note("conflicts", r.conflicts(&i.Conflicts))
	keys["force"] = g.note("force", r.flag(&i.Force))
	keys["serve_unknown"] = g.note("serve_unknown", r.flag(&i.ServeUnknown))
	keys["unknown"] = g.note("unknown", r.unknown(&i.Unknown))
	keys["enrol"] = g.note("enrol", r.enrolment(&i.Enrol))
	keys["portal"] = r.addr(&i.Portal)
	keys["http"] = r.addr(&i.HTTP)
	r.block(v, keys)
	if _, named := g["name"]; !named {
		r.fault(v, "has no name", "write name: and the interface, such as eth0")
	}
	for _, n := range far {
		i.Subnets = append(i.Subnets, n.Subnet)
	}
	r.together(v, i, g, far)
	r.enrols(v, i, g)
	return i
}

// given are the keys that a block has, for what one key says of another.
type given map[string]value

func (g given) note(name string, read func(value)) func(value) {
	return func(v value) { g[name] = v; read(v) }
}

// serverKeys mean something only where Boötes gives addresses.
var serverKeys = append([]string{"conflicts", "force", "serve_unknown"}, subnetKeys...)

// together checks what one key says of another.
func (r *reader) together(v value, i Interface, g given, far []farNetwork) {
	if i.DHCP == "" {
		return // the mode itself was wrong and is reported
	}
	if i.DHCP != Server {
		for _, name := range serverKeys {
			if at, ok := g[name]; ok {
				r.fault(at, fmt.Sprintf("has no meaning with dhcp: %s", i.DHCP),
					"write dhcp: server if Boötes shall give addresses here, or take the line out")
			}
		}
		for _, n := range far {
			n.proxied(r, i.DHCP)
		}
		return
	}
	for _, n := range far {
		n.served(r)
	}
	r.ownNetwork(v, i, g)
	r.subnet(i.Subnet, g)
	r.apart(append([]Subnet{i.Subnet}, i.Subnets...), g["subnets"])
}

// ownNetwork wants a range for the interface's own network, unless there are
// others, behind relays.
func (r *reader) ownNetwork(v value, i Interface, g given) {
	if _, ok := g["range"]; ok {
		return
	}
	if len(i.Subnets) == 0 {
		r.fault(v, "dhcp: server has no range", "write range: and the addresses to give, such as 192.168.1.100-192.168.1.199")
		return
	}
	for _, name := range subnetKeys {
		if at, ok := g[name]; ok {
			r.fault(at, "has no meaning without range", "write range: for the interface's own network, or move the line into one of its subnets")
		}
	}
}

func (r *reader) ifname(dst *string) func(value) {
	const right = "write the name of a network interface, such as eth0 (ip -br link lists them)"
	return func(v value) {
		s, ok := r.text(v, right)
		if ok && !ifaceForm.MatchString(s) {
			r.fault(v, fmt.Sprintf("%q is no interface name", s), right)
			ok = false
		}
		if ok {
			*dst = s
		}
	}
}

// mode leaves dst empty if the value is wrong, so that one fault is not
// followed by others that are only its shadow.
func (r *reader) mode(dst *Mode) func(value) {
	const right = "write proxy or auto (give no addresses), server or off"
	return func(v value) {
		s, ok := r.text(v, right)
		if ok && !slices.Contains([]Mode{Proxy, Auto, Server, Off}, Mode(s)) {
			r.fault(v, fmt.Sprintf("%q is no DHCP mode", s), right)
			ok = false
		}
		*dst = ""
		if ok {
			*dst = Mode(s)
		}
	}
}

func (r *reader) conflicts(dst *bool) func(value) {
	const right = "write probe (look whether an address is in use before it is first offered) or off"
	return func(v value) {
		switch s, ok := r.text(v, right); {
		case !ok:
		case s == "probe" || s == "off":
			*dst = s == "probe"
		default:
			r.fault(v, fmt.Sprintf("%q is neither probe nor off", s), right)
		}
	}
}
