// Package dhcpsnippet writes what an existing DHCP server must be told so that
// the machines of its network boot from Boötes, in that server's own language.
//
// It is for networks where a proxy's offers do not get through: firmware that
// ignores them, switches that filter them (DHCP snooping). The existing server
// then names the loader, by the machine's architecture (option 93), and to iPXE
// the address of the machine's script. Boötes goes on hearing what the machines
// ask for, by which it knows who boots.
package dhcpsnippet

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Loader is what machines of one kind start with.
type Loader struct {
	Name  string   // in words
	Archs []uint16 // processor architecture types (RFC 4578, 2.1)
	File  string   // in the loaders folder
	HTTP  bool     // fetched by UEFI HTTP boot, not by TFTP
}

// Values are what a snippet tells.
type Values struct {
	Server  netip.Addr // where machines reach Boötes by TFTP
	HTTP    string     // host, or host:port, where they reach it by HTTP
	Loaders []Loader
}

// script is the address of a machine's script. iPXE puts its MAC in.
func (v Values) script() string { return "http://" + v.HTTP + "/ipxe/${netX/mac:hexhyp}" }

// file is what firmware is told to fetch.
func (v Values) file(l Loader) string {
	if l.HTTP {
		return "http://" + v.HTTP + "/loader/" + l.File
	}
	return l.File
}

// id is a loader's name as an identifier: "x86-64-http".
func (l Loader) id() string {
	return strings.Map(func(r rune) rune {
		if r == ' ' {
			return '-'
		}
		return r
	}, strings.ToLower(l.Name))
}

var writers = map[string]func(Values) string{
	"dnsmasq": dnsmasq, "kea": kea, "isc": isc, "windows": windows, "mikrotik": mikrotik, "pfsense": pfsense,
}

// Servers are the names that Write knows, in order.
func Servers() []string {
	return []string{"dnsmasq", "kea", "isc", "windows", "mikrotik", "pfsense"}
}

// Write returns the snippet for a DHCP server.
func Write(server string, v Values) (string, error) {
	write, ok := writers[server]
	if !ok {
		return "", fmt.Errorf("%q is no DHCP server that snippets are known for: write one of %s", server, strings.Join(Servers(), ", "))
	}
	return write(v), nil
}

// heading begins a snippet: where it goes, and what Boötes needs besides.
func (v Values) heading(comment, where string) string {
	var b strings.Builder
	for _, line := range []string{
		"Bootes at " + v.Server.String() + ": " + where,
		"Bootes must hear these machines ask, or it gives out no script: leave dhcp: proxy",
		"(or auto) for their network in bootes.yaml. A router that relays DHCP for them is to",
		"send it to " + v.Server.String() + ", too, and their network belongs under subnets: there.",
	} {
		fmt.Fprintf(&b, "%s %s\n", comment, line)
	}
	return b.String()
}

// arch returns the loader for an architecture type.
func (v Values) arch(number uint16) (Loader, bool) {
	i := slices.IndexFunc(v.Loaders, func(l Loader) bool { return slices.Contains(l.Archs, number) })
	if i < 0 {
		return Loader{}, false
	}
	return v.Loaders[i], true
}
