package config

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
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
	i := Interface{DHCP: Proxy, Lease: DefaultLease, Unknown: Ignore}
	i.Line, i.Column = place(v.at)
	given := map[string]value{}
	note := func(name string, read func(value)) func(value) {
		return func(v value) { given[name] = v; read(v) }
	}
	r.block(v, fields{
		"name":          note("name", r.ifname(&i.Name)),
		"dhcp":          note("dhcp", r.mode(&i.DHCP)),
		"range":         note("range", r.pool(&i.First, &i.Last)),
		"prefix":        note("prefix", r.prefix(&i.Prefix)),
		"router":        note("router", r.addr(&i.Router)),
		"dns":           note("dns", r.addrs(&i.DNS)),
		"domain":        note("domain", r.domain(&i.Domain)),
		"lease":         note("lease", r.lease(&i.Lease)),
		"force":         note("force", r.flag(&i.Force)),
		"serve_unknown": note("serve_unknown", r.flag(&i.ServeUnknown)),
		"unknown":       note("unknown", r.unknown(&i.Unknown)),
		"enrol":         note("enrol", r.enrolment(&i.Enrol)),
		"portal":        r.addr(&i.Portal),
		"http":          r.addr(&i.HTTP),
	})
	if _, named := given["name"]; !named {
		r.fault(v, "has no name", "write name: and the interface, such as eth0")
	}
	r.together(v, i, given)
	r.enrols(v, i, given)
	return i
}

// serverKeys mean something only where Boötes gives addresses.
var serverKeys = []string{"range", "prefix", "router", "dns", "domain", "lease", "force", "serve_unknown"}

// together checks what one key says of another.
func (r *reader) together(v value, i Interface, given map[string]value) {
	if i.DHCP == "" {
		return // the mode itself was wrong and is reported
	}
	if i.DHCP != Server {
		for _, name := range serverKeys {
			if at, ok := given[name]; ok {
				r.fault(at, fmt.Sprintf("has no meaning with dhcp: %s", i.DHCP),
					"write dhcp: server if Boötes shall give addresses here, or take the line out")
			}
		}
		return
	}
	if _, ok := given["range"]; !ok {
		r.fault(v, "dhcp: server has no range", "write range: and the addresses to give, such as 192.168.1.100-192.168.1.199")
	}
	if i.Router.IsValid() && i.First.IsValid() && !i.Router.Less(i.First) && !i.Last.Less(i.Router) {
		r.fault(given["router"], fmt.Sprintf("%s lies in the range, so it would be given to a client", i.Router),
			"write a router or a range that do not meet")
	}
	r.inPrefix(i, given)
}

func (r *reader) inPrefix(i Interface, given map[string]value) {
	if !i.Prefix.IsValid() {
		return
	}
	for name, a := range map[string]netip.Addr{"range": i.First, "router": i.Router} {
		if a.IsValid() && !i.Prefix.Contains(a) {
			r.fault(given[name], fmt.Sprintf("%s is outside %s", a, i.Prefix), "write an address inside the prefix")
		}
	}
	if i.Last.IsValid() && i.Prefix.Contains(i.First) && !i.Prefix.Contains(i.Last) {
		r.fault(given["range"], fmt.Sprintf("%s is outside %s", i.Last, i.Prefix), "write an address inside the prefix")
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
	const right = "write proxy (gives no addresses), server or off"
	return func(v value) {
		s, ok := r.text(v, right)
		if ok && !slices.Contains([]Mode{Proxy, Server, Off}, Mode(s)) {
			r.fault(v, fmt.Sprintf("%q is no DHCP mode", s), right)
			ok = false
		}
		*dst = ""
		if ok {
			*dst = Mode(s)
		}
	}
}

func (r *reader) pool(first, last *netip.Addr) func(value) {
	const right = "write the first and the last address, such as 192.168.1.100-192.168.1.199"
	return func(v value) {
		s, ok := r.text(v, right)
		if !ok {
			return
		}
		from, to, _ := strings.Cut(s, "-")
		a, err1 := netip.ParseAddr(strings.TrimSpace(from))
		b, err2 := netip.ParseAddr(strings.TrimSpace(to))
		switch {
		case err1 != nil || err2 != nil || !a.Is4() || !b.Is4() || a.IsUnspecified() || b.IsMulticast():
			r.fault(v, fmt.Sprintf("%q is no range of IPv4 addresses", s), right)
		case b.Less(a):
			r.fault(v, fmt.Sprintf("%s comes after %s", a, b), "write the lower address first")
		default:
			*first, *last = a, b
		}
	}
}

func (r *reader) prefix(dst *netip.Prefix) func(value) {
	const right = "write a network such as 192.168.1.0/24"
	return func(v value) {
		s, ok := r.text(v, right)
		if !ok {
			return
		}
		p, err := netip.ParsePrefix(s)
		switch {
		case err != nil || !p.Addr().Is4() || p.Bits() < 8 || p.Bits() > 30:
			r.fault(v, fmt.Sprintf("%q is no IPv4 network", s), right)
		case p != p.Masked():
			r.fault(v, fmt.Sprintf("%q has host bits set", s), "write %s", p.Masked())
		default:
			*dst = p
		}
	}
}

// addrs reads one address, or a list of them.
func (r *reader) addrs(dst *[]netip.Addr) func(value) {
	one := func(v value) {
		var a netip.Addr
		if r.addr(&a)(v); a.IsValid() {
			*dst = append(*dst, a)
		}
	}
	return func(v value) {
		if _, ok := v.node.(*ast.SequenceNode); ok {
			r.list(v, "", one)
			return
		}
		one(v)
	}
}

var domainForm = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

func (r *reader) domain(dst *string) func(value) {
	const right = "write a domain in lower case, such as lab.example.org"
	return func(v value) {
		s, ok := r.text(v, right)
		if !ok {
			return
		}
		if len(s) > 253 || !domainForm.MatchString(s) {
			r.fault(v, fmt.Sprintf("%q is no domain name", s), right)
			return
		}
		*dst = s
	}
}
