//go:build e2e

package e2e

import (
	"fmt"
	"net/netip"
	"testing"

	"bootes.dev/internal/lab"
)

// printerMAC and laptopMAC are of computers that have addresses of others.
const printerMAC, laptopMAC = "00:1b:a9:40:11:0d", "00:1b:a9:40:11:0e"

// faultsOfLaptop are met where a laptop has the address of the server.
var faultsOfLaptop = []fault{
	{name: "servers-address", plainROM: true,
		kind: "address-conflict", cause: laptopMAC, says: []string{"two computers have the address 10.77.0.1: this server"}, remedy: []string{"tables of the switches"}},
}

func (f *fixture) besideLaptop() { f.talks(laptopMAC, "10.77.0.1") }

// talks connects a computer that asks, again and again, for somebody who is not there.
func (f *fixture) talks(mac, address string) {
	f.t.Helper()
	host, err := f.Net.NewHost(mac, netip.MustParseAddr(address))
	if err != nil {
		f.t.Fatal(err)
	}
	if _, err := host.Start(lab.Program{Path: "ping", Args: []string{"-q", "10.77.0.250"}}); err != nil {
		f.t.Fatal(err)
	}
}

// TestDiagnosisOfPrinter: a printer that is switched on when a machine has its address
// takes what is sent to it. One that is there before is found out by the look at an
// address that is to be offered.
func TestDiagnosisOfPrinter(t *testing.T) {
	t.Parallel()
	x := fault{name: "pc", plainROM: true, kind: "address-conflict", cause: printerMAC,
		says: []string{"two computers have the address 10.77.0.11: this machine"}, remedy: []string{"bootes machine set pc --address"}}
	f := prepare(t, serverMode)
	f.serve()
	f.importDisks()
	pc := f.suffers(1, x)
	if err := pc.PowerOn(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.waitFor(t.Context(), x.name, "ACK 10.77.0.11")
	f.talks(printerMAC, "10.77.0.11")
	d := f.diagnosis(t, pc, x.name, x)
	t.Log(tell(d))
	x.check(t, d)
}

// TestDiagnosisOfTwins: two computers with one MAC address are told of as soon as both
// ask for an address. What is sent to either reaches the one that a switch heard last:
// here always the second, so the first asks again. By their UUIDs they are told apart:
// two of QEMU's guests that start at once may draw the same xids.
func TestDiagnosisOfTwins(t *testing.T) {
	t.Parallel()
	f := prepare(t, serverMode)
	f.serve()
	f.importDisks()
	pc := f.suffers(1, fault{name: "pc", plainROM: true, filters: []lab.Filter{lab.SnoopDHCP(netip.Addr{})},
		setUp: []string{"-uuid", "4c4c4544-0042-3510-8057-b4c04f4a4d32"}})
	twin := f.computer(lab.GuestOptions{Name: "twin", MAC: macOf(1), PlainROM: true, Memory: 256, UUID: "4c4c4544-0051-3410-8034-c2c04f4a4d33"})
	for _, g := range []*guest{pc, twin} {
		if err := g.PowerOn(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	t.Log(f.waitFor(t.Context(), "pc", "two computers have its MAC address"))
}

// TestDiagnosisOfLoop: what comes twice is told of while the machine boots.
func TestDiagnosisOfLoop(t *testing.T) {
	t.Parallel()
	f := prepare(t, serverMode)
	f.serve()
	f.importDisks()
	pc := f.suffers(1, fault{name: "pc", plainROM: true, filters: []lab.Filter{lab.Loop{}}})
	if err := pc.PowerOn(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Log(f.waitFor(t.Context(), "pc", "packets arrive twice: the switches are connected in a loop"))
}

// TestDiagnosisBehindRelay has real firmware ask through a relay where the way back, or
// the network in the config, is missing.
func TestDiagnosisBehindRelay(t *testing.T) {
	const served = "\n  - name: br0\n    dhcp: server\n    subnets:\n      - {prefix: %s, range: %s, router: %s}\n"
	for _, tt := range []struct {
		subnet, addresses string
		change            string // to the server's routes
		fault
	}{
		{"10.78.0.0/24", "10.78.0.100-10.78.0.199", "ip route del 10.78.0.0/24 && ip route add default via 10.77.0.9",
			fault{name: "no-way-back", plainROM: true, kind: "no-address", cause: "no route of its own back to 10.78.0.0/24",
				says: []string{"through the relay 10.78.0.1", "its default route: that answers no ping"}, remedy: []string{"ip route add 10.78.0.0/24 via 10.77.0.8 dev br0"}}},
		// By DHCP the kernel is told the interface, and asks there who has giaddr.
		{"10.78.0.0/24", "10.78.0.100-10.78.0.199", "ip route del 10.78.0.0/24",
			fault{name: "no-route", plainROM: true, kind: "tftp-timeout", cause: "no route back to 10.78.0.0/24", remedy: []string{"ip route add 10.78.0.0/24 via 10.77.0.8 dev br0"}}},
		{"10.79.0.0/24", "10.79.0.100-10.79.0.199", "true",
			fault{name: "no-subnet", plainROM: true, kind: "no-address", cause: "no network of interface \"br0\" has that address",
				remedy: []string{"- {prefix: NETWORK, range: FIRST-LAST, router: 10.78.0.1}` under subnets: of br0"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := prepare(t, fmt.Sprintf(served, tt.subnet, tt.addresses, netip.MustParsePrefix(tt.subnet).Addr().Next()))
			f.serve()
			f.importDisks()
			tt.machine = []string{"--address", "none"}
			pc := f.suffers(1, tt.fault)
			f.behindRelay("10.77.0.1")
			if _, err := f.Net.NewHost("52:54:00:00:00:09", netip.MustParseAddr("10.77.0.9")); err != nil {
				t.Fatal(err)
			}
			if out, err := f.Net.Run(t.Context(), "sh", "-c", tt.change); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			f.meet(t, pc, tt.name, tt.fault)
		})
	}
}
