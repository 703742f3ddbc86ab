package config

import (
	"fmt"
	"net"
	"net/netip"
	"regexp"
)

// Route is one that clients are told (RFC 3442).
type Route struct {
	To  netip.Prefix
	Via netip.Addr
}

// Host is a client that is no machine and has an address of its own.
type Host struct {
	MAC     string // lower case, colons
	Address netip.Addr
	Name    string // "": it has one of its own, or none
}

func (r *reader) routes(dst *[]Route) func(value) {
	return func(v value) {
		r.list(v, "write a list: one line \"- {to: 10.8.0.0/16, via: 10.77.0.254}\" for each route", func(item value) {
			var one Route
			r.block(item, fields{"to": r.prefix(&one.To, 0, 32, "write a network such as 10.8.0.0/16"), "via": r.addr(&one.Via)})
			switch {
			case !one.To.IsValid() && !one.Via.IsValid():
				r.fault(item, "has neither to nor via", "write to: and a network, via: and its router")
			case !one.To.IsValid():
				r.fault(item, "has no to", "write to: and the network that is behind the router, such as 10.8.0.0/16")
			case !one.Via.IsValid():
				r.fault(item, "has no via", "write via: and the address of the router to it")
			default:
				*dst = append(*dst, one)
			}
		})
	}
}

func (r *reader) hosts(dst *[]Host) func(value) {
	return func(v value) {
		r.list(v, "write a list: one line \"- {mac: 00:11:22:33:44:55, address: 192.168.1.20}\" for each host", func(item value) {
			var h Host
			r.block(item, fields{"mac": r.mac(&h.MAC), "address": r.addr(&h.Address), "name": r.hostname(&h.Name)})
			if h.MAC == "" || !h.Address.IsValid() {
				r.fault(item, "is not a host with mac and address", "write mac: and address:, and name: if it shall be told one")
				return
			}
			*dst = append(*dst, h)
		})
	}
}

func (r *reader) mac(dst *string) func(value) {
	const right = "write the MAC address of a network card, such as 00:11:22:33:44:55"
	return func(v value) {
		s, ok := r.text(v, right)
		if !ok {
			return
		}
		m, err := net.ParseMAC(s)
		if err != nil || len(m) != 6 || m[0]&1 != 0 {
			r.fault(v, fmt.Sprintf("%q is no such address", s), right)
			return
		}
		*dst = m.String()
	}
}

var hostForm = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

func (r *reader) hostname(dst *string) func(value) {
	const right = "write a name without dots in lower case, such as printer-2"
	return func(v value) {
		s, ok := r.text(v, right)
		if !ok {
			return
		}
		if !hostForm.MatchString(s) {
			r.fault(v, fmt.Sprintf("%q is no host name", s), right)
			return
		}
		*dst = s
	}
}
