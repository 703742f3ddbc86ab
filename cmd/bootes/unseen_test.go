package main

import (
	"strings"
	"testing"
	"time"

	"bootes.dev/internal/api"
)

func TestUnseen(t *testing.T) {
	const mac = "52:54:00:6b:20:21"
	stranger := func(mac string, before time.Duration) api.LatestBoot {
		return api.LatestBoot{Boot: api.Boot{MAC: mac, Last: now.Add(-before)}}
	}
	for _, tt := range []struct {
		name string
		u    unseen
		want string
	}{
		{"nobody is there", unseen{}, `pc7 has not been seen yet: no DHCP message of a boot has come from its MAC address, 52:54:00:6b:20:21; this server has listened for 3 h
  1. its screen says PXE, DHCP or network boot: then it asks, and its packets do not come here: the port of its switch is in another VLAN, or wants a login (802.1X), or its cable ends elsewhere
     -> give that port the VLAN of one where a machine boots, or plug it in there; no other machine has been heard by this server either: see that its own port is in that network (bootes doctor)
  2. its screen says nothing of that: then it is off, or does not boot from the network
     -> switch it on; put the network first in its firmware's boot order
  3. is that its MAC address?
     -> its screen, or a label on it, has the true one; nobody has asked to boot who was not added
`},
		{"strangers", unseen{strangers: []api.LatestBoot{stranger("02:00:00:00:00:01", 0), stranger("02:00:00:00:00:02", 0), stranger("02:00:00:00:00:03", 0), stranger("02:00:00:00:00:04", 0)}},
			"  1. does it boot by another of its network cards, or is its MAC address another one? Who asked to boot and was not added, the last just now: " +
				"02:00:00:00:00:01, 02:00:00:00:00:02, 02:00:00:00:00:03\n" +
				"     -> compare with its screen, or a label on it; if one of these is its own: bootes machine set pc7 --mac 52:54:00:6b:20:21,02:00:00:00:00:01\n  2. its screen says PXE"},
		{"one that is nearly it", unseen{strangers: []api.LatestBoot{stranger("02:00:00:00:00:01", 0), stranger("52:54:00:6b:20:12", 5*time.Minute)}},
			"  1. is its MAC address mistyped, or that of another of its network cards? 52:54:00:6b:20:12, which nobody has added and which differs in a digit or two, asked to boot 5 min ago\n" +
				"     -> if that is it: bootes machine set pc7 --mac 52:54:00:6b:20:12; if it has both cards: bootes machine set pc7 --mac 52:54:00:6b:20:21,52:54:00:6b:20:12\n  2. its screen says PXE"},
		{"others boot", unseen{others: 3}, "or plug it in there; this server hears 3 other machines there\n"},
		{"by IPv6", unseen{heard: &api.PacketLine{Time: now.Add(-time.Minute), Text: "DHCPv6 Solicit"}},
			"  1. it asks by IPv6 alone, the last 60 s ago (DHCPv6 Solicit), and this server boots by IPv4\n     -> in its firmware's set-up, switch network boot by IPv4 on"},
		{"its system is there", unseen{heard: &api.PacketLine{Time: now.Add(-time.Minute), Text: "DHCP Request"}},
			"  1. other packets have come from it, the last 60 s ago (DHCP Request): its MAC address is right"},
	} {
		tt.u.name, tt.u.macs, tt.u.listening = "pc7", []string{mac}, now.Add(-3*time.Hour)
		if got := tt.u.text(now); !strings.Contains(got, tt.want) {
			t.Errorf("%s:\n%s\nwant\n%s", tt.name, got, tt.want)
		}
	}
}
