package dhcpsnippet

import (
	"fmt"
	"strings"
)

// windows writes policies. A client gets the options of the first that fits, and
// vendor classes match what begins like them only with a star.
func windows(v Values) string {
	var b strings.Builder
	b.WriteString(v.heading("#", "run this in PowerShell as an administrator of the DHCP server."))
	b.WriteString("# To take it back: Get-DhcpServerv4Policy | Where-Object Name -like 'Bootes*' | Remove-DhcpServerv4Policy\n")
	if v.http() {
		b.WriteString("if (-not (Get-DhcpServerv4OptionDefinition -OptionId 60 -ErrorAction SilentlyContinue)) {\n" +
			"  Add-DhcpServerv4OptionDefinition -OptionId 60 -Name 'Vendor class' -Type String\n}\n")
	}
	b.WriteString("Add-DhcpServerv4Class -Name 'Bootes iPXE' -Type User -Data 'iPXE'\n")
	policy := func(name, match, file string, http bool) {
		fmt.Fprintf(&b, "Add-DhcpServerv4Policy -Name '%s' -Condition OR %s\n", name, match)
		fmt.Fprintf(&b, "Set-DhcpServerv4OptionValue -PolicyName '%s' -OptionId 66 -Value '%s'\n", name, v.Server)
		fmt.Fprintf(&b, "Set-DhcpServerv4OptionValue -PolicyName '%s' -OptionId 67 -Value '%s'\n", name, file)
		if http {
			fmt.Fprintf(&b, "Set-DhcpServerv4OptionValue -PolicyName '%s' -OptionId 60 -Value 'HTTPClient'\n", name)
		}
	}
	policy("Bootes iPXE", "-UserClass EQ,'Bootes iPXE'", v.script(), false)
	for _, l := range v.Loaders {
		match := "-VendorClass"
		for i, a := range l.Archs {
			class := fmt.Sprintf("Bootes %s (%d)", l.Name, a)
			fmt.Fprintf(&b, "Add-DhcpServerv4Class -Name '%s' -Type Vendor -Data '%s'\n", class, vendorClass(l, a))
			comma := " "
			if i > 0 {
				comma = ","
			}
			match += fmt.Sprintf("%sEQ,'%s*'", comma, class)
		}
		policy("Bootes "+l.Name, match, v.file(l), l.HTTP)
	}
	return b.String()
}

func (v Values) http() bool {
	for _, l := range v.Loaders {
		if l.HTTP {
			return true
		}
	}
	return false
}

// vendorClass is how firmware begins option 60.
func vendorClass(l Loader, arch uint16) string {
	client := "PXEClient"
	if l.HTTP {
		client = "HTTPClient"
	}
	return fmt.Sprintf("%s:Arch:%05d", client, arch)
}
