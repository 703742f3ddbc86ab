package inventory

import (
	"net/netip"
	"slices"
	"strings"
)

// Access says from where, and as whom, a machine's disks may be opened, beside
// the secret that is always needed. The zero Access asks for nothing more.
type Access struct {
	From       []netip.Prefix `json:"from,omitempty"`       // networks of the initiator; none: any
	Initiators []string       `json:"initiators,omitempty"` // names beside the machine's own
	Lease      bool           `json:"lease,omitempty"`      // only from the address that one of its MACs has
}

// ParseFrom reads a network, or the address of one host, as Access.From has it.
func ParseFrom(s string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(s); err == nil && a.Is4() {
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil || !p.Addr().Is4() {
		return p, &InvalidError{What: "network", Value: s, Want: "write one such as 10.0.0.0/24, or the IPv4 address of a host"}
	}
	return p.Masked(), nil
}

// FromText is what ParseFrom reads: p, or its address where it is that of one
// host.
func FromText(p netip.Prefix) string {
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
}

// ParseInitiator reads an iSCSI name (RFC 7143, 4.2.7), which is in lower case.
func ParseInitiator(s string) (string, error) {
	name := strings.ToLower(s)
	known := strings.HasPrefix(name, "iqn.") || strings.HasPrefix(name, "eui.") || strings.HasPrefix(name, "naa.")
	plain := !strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' || r == ',' })
	if !known || !plain || len(name) > 223 {
		return "", &InvalidError{What: "initiator name", Value: s, Want: "it begins with iqn., eui. or naa. and has no blanks, such as iqn.1991-05.com.microsoft:pc01"}
	}
	return name, nil
}

func (a *Access) normalise() error {
	var from []netip.Prefix
	for _, p := range a.From {
		p, err := ParseFrom(p.String())
		if err != nil {
			return err
		}
		from = append(from, p)
	}
	var names []string
	for _, n := range a.Initiators {
		name, err := ParseInitiator(n)
		if err != nil {
			return err
		}
		names = append(names, name)
	}
	slices.SortFunc(from, netip.Prefix.Compare)
	slices.Sort(names)
	a.From, a.Initiators = slices.Compact(from), slices.Compact(names)
	return nil
}
