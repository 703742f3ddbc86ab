package dhcpsnippet

import (
	"fmt"
	"strings"
)

// mikrotik writes RouterOS 7 commands: matchers choose sets of options, and the
// first that fits counts. Pools and servers have names of the owner's.
func mikrotik(v Values) string {
	var b strings.Builder
	b.WriteString(v.heading("#", "paste this into a terminal of RouterOS 7.4 or newer, with the names of your DHCP server and its pool in the first two lines."))
	b.WriteString(":global bootesDHCP \"dhcp1\"\n:global bootesPool \"dhcp_pool1\"\n")
	fmt.Fprintf(&b, "/ip/dhcp-server/option/add name=bootes-server code=66 value=\"s'%s'\"\n", v.Server)
	if v.http() {
		b.WriteString("/ip/dhcp-server/option/add name=bootes-http code=60 value=\"s'HTTPClient'\"\n")
	}
	add := func(id, file string, code int, matches []string, http bool) {
		fmt.Fprintf(&b, "/ip/dhcp-server/option/add name=bootes-%s code=67 value=\"s'%s'\"\n", id, strings.ReplaceAll(file, "$", `\$`))
		options := "bootes-server,bootes-" + id
		if http {
			options = "bootes-http,bootes-" + id
		}
		fmt.Fprintf(&b, "/ip/dhcp-server/option/sets/add name=bootes-%s options=%s\n", id, options)
		for _, match := range matches {
			fmt.Fprintf(&b, "/ip/dhcp-server/matcher/add name=\"bootes %s\" server=$bootesDHCP address-pool=$bootesPool code=%d matching-type=substring value=\"%s\" option-set=bootes-%s\n",
				match, code, match, id)
		}
	}
	add("ipxe", v.script(), 77, []string{"iPXE"}, false)
	for _, l := range v.Loaders {
		var classes []string
		for _, a := range l.Archs {
			classes = append(classes, vendorClass(l, a))
		}
		add(l.id(), v.file(l), 60, classes, l.HTTP)
	}
	fmt.Fprintf(&b, "/ip/dhcp-server/network/set [find] next-server=%s\n", v.Server)
	return b.String()
}
