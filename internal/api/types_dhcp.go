package api

import "time"

// DHCPStatus is what the server does with DHCP on one interface, and who else
// answers there.
type DHCPStatus struct {
	Interface string       `json:"interface"`
	Mode      string       `json:"mode" enum:"server,proxy,auto,off"`
	Address   string       `json:"address,omitempty" doc:"of this server; none: the interface has none now"`
	Others    []DHCPServer `json:"others" doc:"other DHCP servers that were noticed since this one started"`
}

// DHCPServer is another DHCP server.
type DHCPServer struct {
	Server     string    `json:"server" doc:"as it names itself (option 54)"`
	Kind       string    `json:"kind" enum:"server,proxy" doc:"a proxy gives no addresses"`
	From       string    `json:"from,omitempty" doc:"where its answers come from; none: only clients have named it"`
	MAC        string    `json:"mac,omitempty" doc:"likewise"`
	BootFile   string    `json:"boot_file,omitempty" doc:"what it tells machines to boot"`
	NextServer string    `json:"next_server,omitempty" doc:"and from where"`
	Since      time.Time `json:"since"`
	Last       time.Time `json:"last" doc:"when it was last heard of"`
	Gone       bool      `json:"gone" doc:"it does not answer probes any more"`
	Unexpected bool      `json:"unexpected" doc:"it was not there when this server started"`
}
