package metrics

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestRoom(t *testing.T) {
	look := func() (Room, error) {
		return Room{
			Machines: 12, Waiting: 1, Stalled: 2, Booting: map[string]int{"ipxe": 3},
			Sessions: map[string]int{"firmware": 1, "system": 9},
			Networks: []Network{{"10.77.0.0/24", 100, 12}},
			Servers:  []DHCPServer{{"eth0", "server", 1, 0}},
		}, nil
	}
	traffic := func() []Traffic { return []Traffic{{"read", 5, 20480}} }
	const want = `# HELP bootes_boots_under_way Boots that have neither ended nor stalled, by the stage that they have reached.
# TYPE bootes_boots_under_way gauge
bootes_boots_under_way{stage="ipxe"} 3
# HELP bootes_dhcp_leases Addresses that are leased on the network.
# TYPE bootes_dhcp_leases gauge
bootes_dhcp_leases{network="10.77.0.0/24"} 12
# HELP bootes_dhcp_other_servers Other DHCP servers on the network of the interface; unexpected are those that came after the first look.
# TYPE bootes_dhcp_other_servers gauge
bootes_dhcp_other_servers{expected="no",interface="eth0",kind="server"} 0
bootes_dhcp_other_servers{expected="yes",interface="eth0",kind="server"} 1
# HELP bootes_dhcp_pool_addresses Addresses that can be given on the network.
# TYPE bootes_dhcp_pool_addresses gauge
bootes_dhcp_pool_addresses{network="10.77.0.0/24"} 100
# HELP bootes_iscsi_bytes_total Bytes that commands moved, since the server's start.
# TYPE bootes_iscsi_bytes_total counter
bootes_iscsi_bytes_total{op="read"} 20480
# HELP bootes_iscsi_commands_total Commands that disks have served, since the server's start.
# TYPE bootes_iscsi_commands_total counter
bootes_iscsi_commands_total{op="read"} 5
# HELP bootes_iscsi_sessions iSCSI sessions that are logged in, of firmware (iPXE) or of systems.
# TYPE bootes_iscsi_sessions gauge
bootes_iscsi_sessions{by="firmware"} 1
bootes_iscsi_sessions{by="system"} 9
# HELP bootes_machines Machines that were added.
# TYPE bootes_machines gauge
bootes_machines 12
# HELP bootes_machines_stalled Machines whose last boot stalled.
# TYPE bootes_machines_stalled gauge
bootes_machines_stalled 2
# HELP bootes_machines_waiting Computers that wait for approval.
# TYPE bootes_machines_waiting gauge
bootes_machines_waiting 1
`
	if err := testutil.CollectAndCompare(room{look, traffic}, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
	broken := prometheus.NewPedanticRegistry()
	broken.MustRegister(room{func() (Room, error) { return Room{}, errors.New("no answer") }, traffic})
	if _, err := broken.Gather(); err == nil || !strings.Contains(err.Error(), "no answer") {
		t.Errorf("a room that cannot be looked at: %v", err)
	}
}

func TestCounters(t *testing.T) {
	c := NewCounters()
	c.DHCP("DISCOVER", "OFFER")
	c.DHCP("DISCOVER", "OFFER")
	c.Transfer("tftp", "sent", 1000, 2*time.Second)
	c.Transfer("tftp", "aborted", 0, time.Millisecond)
	c.Script("made")
	c.BootEnded("stalled", "loader", "loader-silent")
	c.StageLeft("firmware", 3*time.Second)
	for _, tt := range []struct {
		name string
		of   prometheus.Collector
		want float64
	}{
		{"messages", c.messages.WithLabelValues("DISCOVER", "OFFER"), 2},
		{"bytes", c.bytes.WithLabelValues("tftp"), 1000},
		{"scripts", c.scripts.WithLabelValues("made"), 1},
		{"boots", c.boots.WithLabelValues("stalled", "loader", "loader-silent"), 1},
	} {
		if got := testutil.ToFloat64(tt.of); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
	if n := testutil.CollectAndCount(c.transfers); n != 2 {
		t.Errorf("%d kinds of transfers", n)
	}
	if n := testutil.CollectAndCount(c.stages); n != 1 {
		t.Errorf("%d stages", n)
	}
}
