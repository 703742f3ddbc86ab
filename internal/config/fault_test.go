package config

import (
	"errors"
	"strings"
	"testing"
)

func TestFaults(t *testing.T) {
	iface := "interfaces:\n  - name: eth0\n"
	server := "interfaces:\n  - name: eth0\n    dhcp: server\n    range: 10.0.0.10-10.0.0.20\n"
	for name, tt := range map[string]struct{ text, want string }{
		"unknown key, near":     {"prots:\n  http: 80\n", `f:1:1: unknown key "prots"; did you mean "ports"?`},
		"unknown key, case":     {"Data: /x\n", `f:1:1: unknown key "Data"; did you mean "data"?`},
		"unknown key, far":      {"log:\n  colour: blue\n", `f:2:3: log: unknown key "colour"; the keys here are level, slow_io`},
		"unknown key, in list":  {iface + "    dchp: proxy\n", `f:3:5: interfaces[0]: unknown key "dchp"; did you mean "dhcp"?`},
		"unknown key, long":     {strings.Repeat("x", 40) + ": 1\n", `f:1:1: unknown key "` + strings.Repeat("x", 40) + `"; the keys here are api, auth, data, http, interfaces, iqn_prefix, limits, loaders, log, metrics, ports, tftp`},
		"merge key":             {"<<: {data: /x}\n", `f:1:1: unknown key "<<"; the keys here are api, auth, data, http, interfaces, iqn_prefix, limits, loaders, log, metrics, ports, tftp`},
		"key twice":             {"data: /a\nloaders: /b\ndata: /c\n", `f:3:1: key "data" is here a second time; the first is in line 1: keep one`},
		"not a block":           {"- a\n- b\n", `f:1:1: is a list; write a block of keys: api, auth, data, http, interfaces, iqn_prefix, limits, loaders, log, metrics, ports, tftp`},
		"scalar for block":      {"api: /run/x\n", `f:1:6: api: is "/run/x"; write a block of keys: group, socket`},
		"scalar for list":       {"interfaces: eth0\n", `f:1:13: interfaces: is "eth0"; write a list: one line "- name: eth0" for each interface`},
		"block for list":        {"interfaces:\n  eth0:\n    dhcp: proxy\n", `f:2:3: interfaces: is a block of keys; write a list: one line "- name: eth0" for each interface`},
		"scalar in list":        {"interfaces: [eth0]\n", "f:1:14: interfaces[0]: is \"eth0\"; write a block of keys: conflicts, dhcp, dns, domain, enrol, exclude, force, hosts, http, lease, name, ntp, options, portal, prefix, range, rebind, renew, router, routes, serve_unknown, subnets, unknown\nf:1:14: interfaces[0]: has no name; write name: and the interface, such as eth0"},
		"block for scalar":      {"data:\n  folder: /x\n", `f:2:3: data: is a block of keys; write a path that begins with /`},
		"empty scalar":          {"data:\nloaders: /x\n", `f:1:1: data: is empty; write a path that begins with /, or take the line out`},
		"anchor":                {"data: &a /x\n", `f:1:7: data: anchors, aliases and tags are not read here; write the value out`},
		"tag":                   {"data: !!str /x\n", `f:1:7: data: anchors, aliases and tags are not read here; write the value out`},
		"relative path":         {"data: lib/bootes\n", `f:1:7: data: "lib/bootes" is no absolute path; write a path that begins with /`},
		"long socket":           {"api: {socket: /" + strings.Repeat("s", 110) + "}\n", `f:1:15: api.socket: the path is 111 bytes long; a unix socket's path has at most 103`},
		"bad group":             {"api: {group: a b}\n", `f:1:14: api.group: "a b" is no group name; write the name of a group, or root to let in root alone`},
		"port zero":             {"ports: {http: 0}\n", `f:1:15: ports.http: "0" is no port; write a port number from 1 to 65535`},
		"port large":            {"ports: {tftp: 65536}\n", `f:1:15: ports.tftp: "65536" is no port; write a port number from 1 to 65535`},
		"port word":             {"ports: {iscsi: iscsi}\n", `f:1:16: ports.iscsi: "iscsi" is no port; write a port number from 1 to 65535`},
		"ports clash":           {"ports:\n  http: 3260\n", `f:2:3: ports: http and iscsi both have 3260; give each a port of its own`},
		"metrics, port alone":   {"metrics: 9660\n", `f:1:10: metrics: "9660" is no address to listen at; write an address of this server and a port, such as 127.0.0.1:9660 (0.0.0.0: all of its addresses)`},
		"metrics, no address":   {"metrics: :9660\n", `f:1:10: metrics: ":9660" is no address to listen at; write an address of this server and a port, such as 127.0.0.1:9660 (0.0.0.0: all of its addresses)`},
		"metrics, no port":      {"metrics: 127.0.0.1\n", `f:1:10: metrics: "127.0.0.1" is no address to listen at; write an address of this server and a port, such as 127.0.0.1:9660 (0.0.0.0: all of its addresses)`},
		"metrics, port zero":    {"metrics: 127.0.0.1:0\n", `f:1:10: metrics: "127.0.0.1:0" is no address to listen at; write an address of this server and a port, such as 127.0.0.1:9660 (0.0.0.0: all of its addresses)`},
		"metrics, name":         {"metrics: localhost:9660\n", `f:1:10: metrics: "localhost:9660" is no address to listen at; write an address of this server and a port, such as 127.0.0.1:9660 (0.0.0.0: all of its addresses)`},
		"metrics, multicast":    {"metrics: 224.0.0.1:9660\n", `f:1:10: metrics: "224.0.0.1:9660" is no address to listen at; write an address of this server and a port, such as 127.0.0.1:9660 (0.0.0.0: all of its addresses)`},
		"metrics, block":        {"metrics: {listen: x}\n", `f:1:11: metrics: is a block of keys; write an address of this server and a port, such as 127.0.0.1:9660 (0.0.0.0: all of its addresses)`},
		"metrics, empty":        {"metrics:\n", `f:1:1: metrics: is empty; write an address of this server and a port, such as 127.0.0.1:9660 (0.0.0.0: all of its addresses), or take the line out`},
		"metrics on HTTP":       {"metrics: 127.0.0.1:80\n", `f:1:10: metrics: port 80 is that of ports.http; give each a port of its own`},
		"metrics on iSCSI":      {"ports: {iscsi: 9660}\nmetrics: 10.0.0.1:9660\n", `f:2:10: metrics: port 9660 is that of ports.iscsi; give each a port of its own`},
		"single port, odd":      {"tftp: {single_port: 69}\n", `f:1:21: tftp.single_port: "69" is neither true nor false; write true or false`},
		"mirrors, a list":       {"http: {mirrors: [/srv]}\n", `f:1:17: http.mirrors: is a list; write a line NAME: FOLDER for each mirror`},
		"mirror, bad name":      {"http: {mirrors: {../x: /srv}}\n", `f:1:18: http.mirrors: "../x" is no name of a mirror; write lower-case letters, digits, dots and dashes, such as debian`},
		"mirror, bad folder":    {"http: {mirrors: {isos: isos}}\n", `f:1:24: http.mirrors.isos: "isos" is no absolute path; write a path that begins with /`},
		"mirror, no folder":     {"http:\n  mirrors:\n    isos:\n", `f:3:5: http.mirrors.isos: is empty; write a path that begins with /, or take the line out`},
		"mirror twice":          {"http: {mirrors: {isos: /a, isos: /b}}\n", `f:1:28: http.mirrors: mirror "isos" is here a second time; keep one`},
		"bad IQN":               {"iqn_prefix: eui.02004567A425678D\n", `f:1:13: iqn_prefix: "eui.02004567A425678D" is no iSCSI qualified name; write iqn.YEAR-MONTH. and your domain backwards, in lower case, such as iqn.2026-01.org.example`},
		"IQN, month 13":         {"iqn_prefix: iqn.2026-13.org.example\n", `f:1:13: iqn_prefix: "iqn.2026-13.org.example" is no iSCSI qualified name; write iqn.YEAR-MONTH. and your domain backwards, in lower case, such as iqn.2026-01.org.example`},
		"long IQN":              {"iqn_prefix: iqn.2026-01." + strings.Repeat("a", 150) + "\n", `f:1:13: iqn_prefix: the name is 162 bytes long; at most 154 leave room for the machine's name`},
		"slow is no time":       {"log: {slow_io: soon}\n", `f:1:16: log.slow_io: "soon" is out of bounds; write a time from 1ms to 1h`},
		"slow is too fast":      {"log: {slow_io: 1us}\n", `f:1:16: log.slow_io: "1us" is out of bounds; write a time from 1ms to 1h`},
		"bad level":             {"log: {level: loud}\n", `f:1:14: log.level: "loud" is no log level; write debug, info, warn or error`},
		"bad size":              {"limits: {volume: 10GB}\n", `f:1:18: limits.volume: "10GB" is no size; write a number of bytes, or one with K, M, G or T (powers of 1024), such as 512M or 10G`},
		"bad percentage":        {"limits: {warn: 80}\n", `f:1:16: limits.warn: "80" is no percentage; write a percentage from 1% to 100%`},
		"zero percentage":       {"limits: {warn: 0%}\n", `f:1:16: limits.warn: "0%" is no percentage; write a percentage from 1% to 100%`},
		"bad space":             {"limits: {min_free: lots}\n", `f:1:20: limits.min_free: "lots" is no size; write a size such as 2G, or a part of the disk such as 5%`},
		"no space":              {"limits: {min_free: 0}\n", `f:1:20: limits.min_free: "0" is no size; a full disk stops the whole server: leave some space`},
		"all space":             {"limits: {min_free: 95%}\n", `f:1:20: limits.min_free: "95%" is no size; write a percentage from 1% to 90%`},
		"no name":               {"interfaces:\n  - dhcp: off\n", `f:2:5: interfaces[0]: has no name; write name: and the interface, such as eth0`},
		"empty entry":           {"interfaces:\n  -\n", `f:2:5: interfaces[0]: has no name; write name: and the interface, such as eth0`},
		"bad name":              {"interfaces:\n  - name: eth0/1\n", `f:2:11: interfaces[0].name: "eth0/1" is no interface name; write the name of a network interface, such as eth0 (ip -br link lists them)`},
		"long name":             {"interfaces:\n  - name: abcdefghijklmnop\n", `f:2:11: interfaces[0].name: "abcdefghijklmnop" is no interface name; write the name of a network interface, such as eth0 (ip -br link lists them)`},
		"interface twice":       {iface + "  - name: eth1\n  - name: eth0\n", `f:4:5: interfaces[2]: interface "eth0" is here a second time; the first is in line 2: make them one`},
		"bad mode":              {iface + "    dhcp: porxy\n    range: 10.0.0.1-10.0.0.2\n", `f:3:11: interfaces[0].dhcp: "porxy" is no DHCP mode; write proxy or auto (give no addresses), server or off`},
		"range without server":  {iface + "    range: 10.0.0.1-10.0.0.2\n", `f:3:12: interfaces[0].range: has no meaning with dhcp: proxy; write dhcp: server if Boötes shall give addresses here, or take the line out`},
		"force with off":        {iface + "    dhcp: off\n    force: true\n", `f:4:12: interfaces[0].force: has no meaning with dhcp: off; write dhcp: server if Boötes shall give addresses here, or take the line out`},
		"server without range":  {iface + "    dhcp: server\n", `f:2:5: interfaces[0]: dhcp: server has no range; write range: and the addresses to give, such as 192.168.1.100-192.168.1.199`},
		"range of one":          {iface + "    dhcp: server\n    range: 10.0.0.1\n", `f:4:12: interfaces[0].range: "10.0.0.1" is no range of IPv4 addresses; write the first and the last address, such as 192.168.1.100-192.168.1.199`},
		"range backwards":       {iface + "    dhcp: server\n    range: 10.0.0.9-10.0.0.1\n", `f:4:12: interfaces[0].range: 10.0.0.9 comes after 10.0.0.1; write the lower address first`},
		"range IPv6":            {iface + "    dhcp: server\n    range: fd00::1-fd00::9\n", `f:4:12: interfaces[0].range: "fd00::1-fd00::9" is no range of IPv4 addresses; write the first and the last address, such as 192.168.1.100-192.168.1.199`},
		"range outside":         {server + "    prefix: 10.0.1.0/24\n", `f:4:12: interfaces[0].range: 10.0.0.10 is outside 10.0.1.0/24; write an address inside the prefix`},
		"range end outside":     {server + "    prefix: 10.0.0.0/28\n", `f:4:12: interfaces[0].range: 10.0.0.20 is outside 10.0.0.0/28; write an address inside the prefix`},
		"router outside":        {server + "    prefix: 10.0.0.0/24\n    router: 10.0.1.1\n", `f:6:13: interfaces[0].router: 10.0.1.1 is outside 10.0.0.0/24; write an address inside the prefix`},
		"router in the range":   {server + "    router: 10.0.0.15\n", `f:5:13: interfaces[0].router: 10.0.0.15 lies in the range, so it would be given to a client; write a router or a range that do not meet`},
		"bad prefix":            {server + "    prefix: 10.0.0.0\n", `f:5:13: interfaces[0].prefix: "10.0.0.0" is no IPv4 network; write a network such as 192.168.1.0/24`},
		"prefix, host bits":     {server + "    prefix: 10.0.0.7/24\n", `f:5:13: interfaces[0].prefix: "10.0.0.7/24" has host bits set; write 10.0.0.0/24`},
		"bad router":            {server + "    router: 10.0.0.256\n", `f:5:13: interfaces[0].router: "10.0.0.256" is no such address; write the IPv4 address of a host, such as 192.168.1.10`},
		"router multicast":      {server + "    router: 224.0.0.1\n", `f:5:13: interfaces[0].router: "224.0.0.1" is no such address; write the IPv4 address of a host, such as 192.168.1.10`},
		"bad dns in list":       {server + "    dns: [1.1.1.1, dns.example]\n", `f:5:20: interfaces[0].dns[1]: "dns.example" is no such address; write the IPv4 address of a host, such as 192.168.1.10`},
		"bad dns alone":         {server + "    dns: dns.example\n", `f:5:10: interfaces[0].dns: "dns.example" is no such address; write the IPv4 address of a host, such as 192.168.1.10`},
		"bad domain":            {server + "    domain: Lab_1\n", `f:5:13: interfaces[0].domain: "Lab_1" is no domain name; write a domain in lower case, such as lab.example.org`},
		"bad lease":             {server + "    lease: 60\n", `f:5:12: interfaces[0].lease: "60" is no length of time; write a number with s, m, h or d, such as 30m, 12h or 1d`},
		"short lease":           {server + "    lease: 5s\n", `f:5:12: interfaces[0].lease: "5s" is out of bounds; write a lease time from 1m to 365d`},
		"endless lease":         {server + "    lease: 999d\n", `f:5:12: interfaces[0].lease: "999d" is out of bounds; write a lease time from 1m to 365d`},
		"second range bad":      {"interfaces:\n  - name: eth0\n    dhcp: server\n    range: [10.0.0.10-10.0.0.20, 10.0.0.30]\n", `f:4:34: interfaces[0].range[1]: "10.0.0.30" is no range of IPv4 addresses; write the first and the last address, such as 192.168.1.100-192.168.1.199`},
		"ranges overlap":        {"interfaces:\n  - name: eth0\n    dhcp: server\n    range: [10.0.0.10-10.0.0.20, 10.0.0.20-10.0.0.30]\n", `f:4:12: interfaces[0].range: 10.0.0.10-10.0.0.20 and 10.0.0.20-10.0.0.30 overlap; make them one`},
		"bad exclude":           {server + "    exclude: some\n", `f:5:14: interfaces[0].exclude: "some" is no range of IPv4 addresses; write an address, or the first and the last, such as 192.168.1.150-192.168.1.159`},
		"exclude outside":       {server + "    exclude: [10.0.0.12, 10.0.0.30]\n", `f:5:14: interfaces[0].exclude: 10.0.0.30 lies in no range, so nobody would be given it; write addresses of the range, or take them out`},
		"rebind too late":       {server + "    lease: 10m\n    rebind: 10m\n", `f:6:13: interfaces[0].rebind: rebind after 10m0s is not before the end of the lease, 10m0s; write a shorter rebind: or a longer lease:`},
		"renew too late":        {server + "    renew: 55m\n", `f:5:12: interfaces[0].renew: renew after 55m0s is not before rebind after 52m30s; write them in this order: renew, rebind, lease`},
		"routes no list":        {server + "    routes: 10.8.0.0/16\n", `f:5:13: interfaces[0].routes: is "10.8.0.0/16"; write a list: one line "- {to: 10.8.0.0/16, via: 10.77.0.254}" for each route`},
		"route without ends":    {server + "    routes: [{}]\n", `f:5:14: interfaces[0].routes[0]: has neither to nor via; write to: and a network, via: and its router`},
		"route without to":      {server + "    routes: [{via: 10.0.0.1}]\n", `f:5:15: interfaces[0].routes[0]: has no to; write to: and the network that is behind the router, such as 10.8.0.0/16`},
		"route without via":     {server + "    routes: [{to: 10.8.0.0/16}]\n", `f:5:15: interfaces[0].routes[0]: has no via; write via: and the address of the router to it`},
		"route to host bits":    {server + "    routes: [{to: 10.8.0.1/16, via: 10.0.0.1}]\n", "f:5:15: interfaces[0].routes[0]: has no to; write to: and the network that is behind the router, such as 10.8.0.0/16\nf:5:19: interfaces[0].routes[0].to: \"10.8.0.1/16\" has host bits set; write 10.8.0.0/16"},
		"route to no network":   {server + "    routes: [{to: all, via: 10.0.0.1}]\n", "f:5:15: interfaces[0].routes[0]: has no to; write to: and the network that is behind the router, such as 10.8.0.0/16\nf:5:19: interfaces[0].routes[0].to: \"all\" is no IPv4 network; write a network such as 10.8.0.0/16"},
		"route via outside":     {server + "    prefix: 10.0.0.0/24\n    routes: [{to: 10.8.0.0/16, via: 10.1.0.1}]\n", `f:6:13: interfaces[0].routes: 10.1.0.1 is outside 10.0.0.0/24; write an address inside the prefix`},
		"options no block":      {server + "    options: [1]\n", `f:5:14: interfaces[0].options: is a list; write a block of numbers and values, such as 150: 192.168.1.10`},
		"option by name":        {server + "    options: {mtu: u16:1500}\n", `f:5:15: interfaces[0].options: "mtu" is no number of an option; write one from 1 to 254`},
		"option of ours":        {server + "    options: {3: 10.0.0.1}\n", `f:5:15: interfaces[0].options: option 3 is made by Boötes; write router:`},
		"option of the boot":    {server + "    options: {67: pxelinux.0}\n", "f:5:15: interfaces[0].options: option 67 is made by Boötes; what a machine boots is told by Boötes: see `bootes machine set`"},
		"option of DHCP":        {server + "    options: {82: hex:00}\n", `f:5:15: interfaces[0].options: option 82 is made by Boötes; it belongs to the protocol itself: take the line out`},
		"option twice":          {server + "    options:\n      150: 10.0.0.1\n      150: 10.0.0.2\n", `f:7:7: interfaces[0].options: option 150 is here a second time; keep one`},
		"option, bare number":   {server + "    options: {26: 1500}\n", `f:5:19: interfaces[0].options.26: 1500 has no width; write u8:, u16: or u32: before a number, or "1500" for a text`},
		"option, large number":  {server + "    options: {26: u8:1500}\n", `f:5:19: interfaces[0].options.26: "u8:1500" is no number of 8 bits; write an IPv4 address or a list of them, a text, u8:, u16: or u32: and a number, or hex: and bytes`},
		"option, bad hex":       {server + "    options: {43: hex:0}\n", `f:5:19: interfaces[0].options.43: "hex:0" is no row of bytes; write an IPv4 address or a list of them, a text, u8:, u16: or u32: and a number, or hex: and bytes`},
		"option, empty":         {server + "    options: {43: ''}\n", `f:5:19: interfaces[0].options.43: is empty; write what the option holds, or take the line out`},
		"option, too long":      {server + "    options: {200: " + strings.Repeat("x", 256) + "}\n", `f:5:20: interfaces[0].options.200: holds 256 bytes; an option has at most 255`},
		"option, bad list":      {server + "    options: {150: [10.0.0.1, x]}\n", `f:5:31: interfaces[0].options.150[1]: "x" is no such address; write the IPv4 address of a host, such as 192.168.1.10`},
		"hosts no list":         {server + "    hosts: x\n", `f:5:12: interfaces[0].hosts: is "x"; write a list: one line "- {mac: 00:11:22:33:44:55, address: 192.168.1.20}" for each host`},
		"host without address":  {server + "    hosts: [{mac: 00:11:22:33:44:55}]\n", `f:5:14: interfaces[0].hosts[0]: is not a host with mac and address; write mac: and address:, and name: if it shall be told one`},
		"host, bad MAC":         {server + "    hosts: [{mac: 01:11:22:33:44:55, address: 10.0.0.2}]\n", "f:5:14: interfaces[0].hosts[0]: is not a host with mac and address; write mac: and address:, and name: if it shall be told one\nf:5:19: interfaces[0].hosts[0].mac: \"01:11:22:33:44:55\" is no such address; write the MAC address of a network card, such as 00:11:22:33:44:55"},
		"host, bad name":        {server + "    hosts: [{mac: 00:11:22:33:44:55, address: 10.0.0.2, name: a.b}]\n", `f:5:63: interfaces[0].hosts[0].name: "a.b" is no host name; write a name without dots in lower case, such as printer-2`},
		"hosts clash":           {server + "    hosts: [{mac: 00:11:22:33:44:55, address: 10.0.0.2}, {mac: 00:11:22:33:44:56, address: 10.0.0.2}]\n", `f:5:12: interfaces[0].hosts: host 00:11:22:33:44:56 with 10.0.0.2 clashes with another, or with the router; give each host one address, and each address one host`},
		"bad conflicts":         {server + "    conflicts: maybe\n", `f:5:16: interfaces[0].conflicts: "maybe" is neither probe nor off; write probe (look whether an address is in use before it is first offered) or off`},
		"subnets no list":       {server + "    subnets: 10.1.0.0/24\n", `f:5:14: interfaces[0].subnets: is "10.1.0.0/24"; write a list: one block with prefix: and range: for each network`},
		"subnet without all":    {server + "    subnets: [{dns: 10.0.0.1}]\n", "f:5:16: interfaces[0].subnets[0]: has no prefix; write prefix: and the network, such as 10.78.0.0/24: by it the clients of its relay are known\nf:5:16: interfaces[0].subnets[0]: has no range; write range: and the addresses to give, such as 192.168.1.100-192.168.1.199"},
		"subnet key unknown":    {server + "    subnets: [{prefix: 10.1.0.0/24, range: 10.1.0.1-10.1.0.2, rooter: 10.1.0.1}]\n", `f:5:63: interfaces[0].subnets[0]: unknown key "rooter"; did you mean "router"?`},
		"subnet, range outside": {server + "    subnets: [{prefix: 10.1.0.0/24, range: 10.1.1.1-10.1.1.2}]\n", `f:5:44: interfaces[0].subnets[0].range: 10.1.1.1 is outside 10.1.0.0/24; write an address inside the prefix`},
		"subnets overlap":       {server + "    prefix: 10.0.0.0/24\n    subnets: [{prefix: 10.0.0.0/16, range: 10.0.1.1-10.0.1.2}]\n", `f:6:14: interfaces[0].subnets: 10.0.0.0/24 and 10.0.0.0/16 overlap; write each network once, with all its ranges`},
		"ranges of two subnets": {server + "    subnets: [{prefix: 10.0.0.0/16, range: 10.0.0.20-10.0.1.2}]\n", `f:5:14: interfaces[0].subnets: the range 10.0.0.20-10.0.1.2 is in two networks; write each network once, with all its ranges`},
		"router without range":  {iface + "    dhcp: server\n    router: 10.0.0.1\n    subnets: [{prefix: 10.1.0.0/24, range: 10.1.0.1-10.1.0.2}]\n", `f:4:13: interfaces[0].router: has no meaning without range; write range: for the interface's own network, or move the line into one of its subnets`},
		"subnet with proxy":     {iface + "    subnets: [{prefix: 10.1.0.0/24, range: 10.1.0.1-10.1.0.2}]\n", `f:3:44: interfaces[0].subnets[0].range: has no meaning with dhcp: proxy; of a network behind a relay, write prefix: alone`},
		"bad flag":              {server + "    force: yes\n", `f:5:12: interfaces[0].force: "yes" is neither true nor false; write true or false`},
		"portal IPv6":           {iface + "    portal: fd00::1\n", `f:3:13: interfaces[0].portal: "fd00::1" is no such address; write the IPv4 address of a host, such as 192.168.1.10`},
		"portal with port":      {iface + "    portal: 10.0.0.1:3260\n", `f:3:13: interfaces[0].portal: "10.0.0.1:3260" is no such address; write the IPv4 address of a host, such as 192.168.1.10`},
		"http everywhere":       {iface + "    http: 0.0.0.0\n", `f:3:11: interfaces[0].http: "0.0.0.0" is no such address; write the IPv4 address of a host, such as 192.168.1.10`},
		"percent in the input":  {"data: '%d%s'\n", `f:1:7: data: "%d%s" is no absolute path; write a path that begins with /`},
		"all at once, in order": {"log: {level: x}\n" + iface + "    dhcp: x\ndata: x\n", "f:1:14: log.level: \"x\" is no log level; write debug, info, warn or error\nf:4:11: interfaces[0].dhcp: \"x\" is no DHCP mode; write proxy or auto (give no addresses), server or off\nf:5:7: data: \"x\" is no absolute path; write a path that begins with /"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse("f", []byte(tt.text))
			var faults Faults
			if !errors.As(err, &faults) {
				t.Fatalf("got %v (%T), want faults:\n%s", err, err, tt.want)
			}
			if err.Error() != tt.want {
				t.Errorf("of\n%s\ngot\n%v\nwant\n%s", tt.text, err, tt.want)
			}
		})
	}
}

func TestSyntaxErrors(t *testing.T) {
	for name, tt := range map[string]struct{ text, want string }{
		"tab":           {"ports:\n\thttp: 80\n", "f:2:1: not valid YAML: a tab begins this line; indent with spaces\n"},
		"open bracket":  {"data: /x\ninterfaces: [\n", "f:2:13: not valid YAML: sequence end token ']' not found\n   1 | data: /x\n>  2 | interfaces: [\n                   ^"},
		"indent":        {"data: /x\n loaders: /y\n", "f:1:7: "},
		"no colon":      {"data: /x\nloaders\nports: {}\n", "f:2:1: "},
		"open quote":    {"data: \"/x\n", "f:1:7: "},
		"two documents": {"data: /x\n---\ndata: /y\n", "f:3:1: not valid YAML: a second document begins; take out the line \"---\""},
		"lone alias":    {"data: *nothing\n", "f:1:7: "},
		"binary":        {"\x7fELF\x02\x01\x01\x00\x00", "f:1:"},
		"not UTF-8":     {"data: /x\nlog: ä\xff\n", "f:2:7: not valid YAML: a byte here is not UTF-8"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse("f", []byte(tt.text))
			if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
				t.Errorf("got\n%v\nwant %s…", err, tt.want)
			} else if strings.HasSuffix(err.Error(), "\n") {
				t.Errorf("ends in an empty line: %q", err)
			}
		})
	}
}
