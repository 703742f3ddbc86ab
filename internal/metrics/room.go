package metrics

import "github.com/prometheus/client_golang/prometheus"

// Room is what there is of machines, addresses and sessions.
type Room struct {
	Machines int
	Waiting  int            // for approval
	Booting  map[string]int // boots under way, by stage
	Stalled  int            // machines whose last boot stalled

	Sessions map[string]int // iSCSI, by who logged in: "firmware" or "system"
	Networks []Network
	Servers  []DHCPServer
}

// Network is one that addresses are given on.
type Network struct {
	Prefix string
	Size   int // addresses that can be given
	Leased int
}

// DHCPServer is how many other DHCP servers were noticed on an interface.
type DHCPServer struct {
	Interface, Kind      string
	Expected, Unexpected int
}

// Traffic is what all disks have been asked, since the server's start.
type Traffic struct {
	Op    string
	Count uint64
	Bytes uint64
}

var (
	machines     = desc("machines", "Machines that were added.")
	waiting      = desc("machines_waiting", "Computers that wait for approval.")
	stalled      = desc("machines_stalled", "Machines whose last boot stalled.")
	booting      = desc("boots_under_way", "Boots that have neither ended nor stalled, by the stage that they have reached.", "stage")
	sessions     = desc("iscsi_sessions", "iSCSI sessions that are logged in, of firmware (iPXE) or of systems.", "by")
	commands     = desc("iscsi_commands_total", "Commands that disks have served, since the server's start.", "op")
	commandBytes = desc("iscsi_bytes_total", "Bytes that commands moved, since the server's start.", "op")
	poolSize     = desc("dhcp_pool_addresses", "Addresses that can be given on the network.", "network")
	poolLeased   = desc("dhcp_leases", "Addresses that are leased on the network.", "network")
	dhcpServers  = desc("dhcp_other_servers", "Other DHCP servers on the network of the interface; unexpected are those that came after the first look.", "interface", "kind", "expected")
)

// room collects what the room is like at the moment of a scrape.
type room struct {
	look    func() (Room, error)
	traffic func() []Traffic
}

// Describe sends all that Collect may send.
func (c room) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{machines, waiting, stalled, booting, sessions, commands, commandBytes, poolSize, poolLeased, dhcpServers} {
		ch <- d
	}
}

// Collect asks once.
func (c room) Collect(ch chan<- prometheus.Metric) {
	r, err := c.look()
	if err != nil {
		ch <- prometheus.NewInvalidMetric(machines, err)
		return
	}
	gauge := func(d *prometheus.Desc, n int, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(n), labels...)
	}
	gauge(machines, r.Machines)
	gauge(waiting, r.Waiting)
	gauge(stalled, r.Stalled)
	for stage, n := range r.Booting {
		gauge(booting, n, stage)
	}
	for by, n := range r.Sessions {
		gauge(sessions, n, by)
	}
	for _, n := range r.Networks {
		gauge(poolSize, n.Size, n.Prefix)
		gauge(poolLeased, n.Leased, n.Prefix)
	}
	for _, s := range r.Servers {
		gauge(dhcpServers, s.Expected, s.Interface, s.Kind, "yes")
		gauge(dhcpServers, s.Unexpected, s.Interface, s.Kind, "no")
	}
	for _, t := range c.traffic() {
		ch <- prometheus.MustNewConstMetric(commands, prometheus.CounterValue, float64(t.Count), t.Op)
		ch <- prometheus.MustNewConstMetric(commandBytes, prometheus.CounterValue, float64(t.Bytes), t.Op)
	}
}
