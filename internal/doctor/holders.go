package doctor

import "strings"

// known is a program that is often found on a port that we need.
type known struct {
	name string
	cure string // "": stop its unit
}

// known tells what a process is to its admin, who may never have started it.
func (h holder) known() (known, bool) {
	for _, k := range holders {
		if h.name == k.process && strings.Contains(h.command, k.argument) {
			return k.known, true
		}
	}
	return known{}, false
}

// holders are known by the name of the process and a part of its command line;
// the first that fits counts. Names of processes are cut after 15 bytes.
var holders = []struct {
	process, argument string
	known
}{
	{"dnsmasq", "/libvirt/", known{"libvirt's dnsmasq, the DHCP server of its virtual networks",
		"it needs its own bridge alone; if no virtual machine uses that network: virsh net-destroy default && virsh net-autostart --disable default"}},
	{"dnsmasq", "/lxd/", known{"LXD's dnsmasq", "lxc network set lxdbr0 ipv4.dhcp false"}},
	{"dnsmasq", "/incus/", known{"Incus's dnsmasq", "incus network set incusbr0 ipv4.dhcp false"}},
	{"dnsmasq", "--conf-file=/dev/null --no-hosts", known{"NetworkManager's dnsmasq, of a shared connection", "nmcli connection modify NAME ipv4.method manual, for the connection that is shared"}},
	{"dnsmasq", "", known{"dnsmasq", ""}},
	{"pihole-FTL", "", known{"Pi-hole", "switch off its DHCP server, or move its web page to another port, in its settings"}},
	{"systemd-resolve", "", known{"systemd-resolved, the local DNS resolver", ""}},
	{"systemd-network", "", known{"systemd-networkd, a DHCP server by DHCPServer=yes", "take DHCPServer=yes out of the .network file of the interface; networkctl reload"}},
	{"dhcpd", "", known{"ISC dhcpd", ""}},
	{"kea-dhcp4", "", known{"Kea", ""}},
	{"in.tftpd", "", known{"tftpd-hpa", ""}},
	{"atftpd", "", known{"atftpd", ""}},
	{"tgtd", "", known{"tgt, another iSCSI target", ""}},
	{"iscsi-scstd", "", known{"SCST, another iSCSI target", ""}},
	{"nginx", "", known{"nginx", ""}},
	{"apache2", "", known{"Apache", ""}},
	{"httpd", "", known{"Apache", ""}},
	{"lighttpd", "", known{"lighttpd", ""}},
	{"caddy", "", known{"Caddy", ""}},
	{"docker-proxy", "", known{"a container's published port, by Docker", "docker ps names the container: publish another port"}},
	{"bootes", "", known{"another bootes", ""}},
}
