package dhcpsnippet

import (
	"fmt"
	"strings"
)

func dnsmasq(v Values) string {
	var b strings.Builder
	b.WriteString(v.heading("#", "put this into /etc/dnsmasq.d/bootes.conf and restart dnsmasq."))
	b.WriteString("dhcp-match=set:bootes-ipxe,175\ndhcp-userclass=set:bootes-ipxe,iPXE\n")
	for _, l := range v.Loaders {
		for _, a := range l.Archs {
			fmt.Fprintf(&b, "dhcp-match=set:bootes-%s,option:client-arch,%d\n", l.id(), a)
		}
	}
	for _, l := range v.Loaders {
		fmt.Fprintf(&b, "dhcp-boot=tag:!bootes-ipxe,tag:bootes-%s,\"%s\",,%s\n", l.id(), v.file(l), v.Server)
		if l.HTTP {
			fmt.Fprintf(&b, "dhcp-option-force=tag:!bootes-ipxe,tag:bootes-%s,60,HTTPClient\n", l.id())
		}
	}
	fmt.Fprintf(&b, "dhcp-boot=tag:bootes-ipxe,\"%s\",,%s\n", v.script(), v.Server)
	return b.String()
}
