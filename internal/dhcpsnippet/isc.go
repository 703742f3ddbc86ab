package dhcpsnippet

import (
	"fmt"
	"strings"
)

func isc(v Values) string {
	var b strings.Builder
	b.WriteString(v.heading("#", "put this at the top of /etc/dhcp/dhcpd.conf, outside of any subnet, and restart isc-dhcp-server."))
	b.WriteString("option bootes-arch code 93 = string;\noption bootes-ipxe code 175 = string;\n")
	fmt.Fprintf(&b, "if exists bootes-ipxe or substring(option user-class, 0, 4) = \"iPXE\" {\n%s}", v.iscBoot(v.script()))
	for _, l := range v.Loaders {
		var tests []string
		for _, a := range l.Archs {
			tests = append(tests, fmt.Sprintf("substring(option bootes-arch, 0, 2) = %02x:%02x", a>>8, a&255))
		}
		fmt.Fprintf(&b, " elsif %s {\n%s", strings.Join(tests, " or "), v.iscBoot(v.file(l)))
		if l.HTTP {
			b.WriteString("  option vendor-class-identifier \"HTTPClient\";\n")
		}
		b.WriteString("}")
	}
	b.WriteString("\n")
	return b.String()
}

func (v Values) iscBoot(file string) string {
	return fmt.Sprintf("  next-server %s;\n  filename \"%s\";\n", v.Server, file)
}
