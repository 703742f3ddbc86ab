package config

import (
	"fmt"
	"net/netip"
	"regexp"
)

// addrs reads one address, or a list of them.
func (r *reader) addrs(dst *[]netip.Addr) func(value) {
	return oneOrMore(r, func(v value) {
		var a netip.Addr
		if r.addr(&a)(v); a.IsValid() {
			*dst = append(*dst, a)
		}
	})
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
