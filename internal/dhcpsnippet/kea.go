package dhcpsnippet

import (
	"fmt"
	"strings"
)

// kea writes client classes: a machine gets the fields of each that it is in.
func kea(v Values) string {
	classes := []string{fmt.Sprintf(`    {
      "name": "bootes-ipxe",
      "test": "option[175].exists or substring(option[77].hex,0,4) == 'iPXE'",
      "next-server": "%s",
      "boot-file-name": "%s"
    }`, v.Server, v.script())}
	for _, l := range v.Loaders {
		option := ""
		if l.HTTP {
			option = `,
      "option-data": [ { "name": "vendor-class-identifier", "data": "HTTPClient", "always-send": true } ]`
		}
		classes = append(classes, fmt.Sprintf(`    {
      "name": "bootes-%s",
      "test": "not member('bootes-ipxe') and (%s)",
      "next-server": "%s",
      "boot-file-name": "%s"%s
    }`, l.id(), keaTest(l), v.Server, v.file(l), option))
	}
	return v.heading("//", `put this into "Dhcp4" of /etc/kea/kea-dhcp4.conf and restart kea-dhcp4-server.`) +
		"\"client-classes\": [\n" + strings.Join(classes, ",\n") + "\n],\n"
}

func keaTest(l Loader) string {
	var tests []string
	for _, a := range l.Archs {
		tests = append(tests, fmt.Sprintf("substring(option[93].hex,0,2) == 0x%04x", a))
	}
	return strings.Join(tests, " or ")
}
