package dhcp

import (
	"cmp"
	"net/netip"

	"github.com/insomniacslk/dhcp/dhcpv4"
)

// options are what each client of the subnet is told, but for its name and
// what it boots.
func (s Subnet) options(prefix netip.Prefix) dhcpv4.Options {
	ttl := s.leaseTime()
	o := dhcpv4.Options{
		optSubnetMask:  mask(prefix),
		optBroadcast:   lastOf(prefix).AsSlice(),
		optLeaseTime:   seconds(ttl),
		optRenewalTime: seconds(cmp.Or(s.Renew, ttl/2)),
		optRebindTime:  seconds(cmp.Or(s.Rebind, ttl*7/8)),
	}
	if s.Router.IsValid() {
		o[optRouter] = s.Router.AsSlice()
	}
	for _, a := range s.DNS {
		o[optDNS] = append(o[optDNS], a.AsSlice()...)
	}
	for _, a := range s.NTP {
		o[optNTP] = append(o[optNTP], a.AsSlice()...)
	}
	if s.Domain != "" {
		o[optDomainName] = []byte(s.Domain)
	}
	if len(s.Routes) > 0 {
		o[optRoutes] = s.routes()
	}
	for _, own := range s.Options {
		o[own.Code] = own.Value
	}
	return o
}

// routes is option 121 (RFC 3442): for each route the length of its prefix, the
// bytes of it that count, and the router. A client that takes it ignores option
// 3, so the default route is repeated here.
func (s Subnet) routes() (b []byte) {
	all := s.Routes
	if s.Router.IsValid() {
		all = append(all[:len(all):len(all)], Route{netip.PrefixFrom(netip.IPv4Unspecified(), 0), s.Router})
	}
	for _, r := range all {
		to := r.To.Masked().Addr().As4()
		b = append(b, byte(r.To.Bits()))
		b = append(b, to[:(r.To.Bits()+7)/8]...)
		b = append(b, r.Via.AsSlice()...)
	}
	return b
}

// leaseOptions are left out where no address is given.
var leaseOptions = []uint8{optLeaseTime, optRenewalTime, optRebindTime}
