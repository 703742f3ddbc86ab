package dhcpsnippet

import (
	"fmt"
	"strings"
)

// pfsense has a form to fill in, which knows architectures but not iPXE.
func pfsense(v Values) string {
	file := func(arch uint16) string {
		if l, ok := v.arch(arch); ok {
			return v.file(l)
		}
		return "(leave empty)"
	}
	var b strings.Builder
	b.WriteString(v.heading("#", "fill this in under Services, DHCP Server, the network's tab, Network Booting."))
	b.WriteString("# pfSense cannot tell iPXE from the firmware that started it, and names the loader to it\n" +
		"# once more. Bootes has heard who asks, and sends iPXE its script in the loader's place.\n")
	for _, field := range [][2]string{
		{"Enable Network Booting", "checked"},
		{"Next Server", v.Server.String()},
		{"Default BIOS File Name", file(0)},
		{"UEFI 32 bit File Name", file(6)},
		{"UEFI 64 bit File Name", file(7)},
		{"ARM 64 bit File Name", file(11)},
		{"UEFI HTTPBoot URL", file(16)},
	} {
		fmt.Fprintf(&b, "%-24s%s\n", field[0], field[1])
	}
	return b.String()
}
