package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"bootes.dev/internal/api"
	"bootes.dev/internal/inventory"
)

// unseen is a machine of which nothing has come that would be a boot.
type unseen struct {
	name      string
	macs      []string
	listening time.Time        // since when the server runs; zero: not known
	heard     *api.PacketLine  // the last packet of its network cards, if any is kept
	strangers []api.LatestBoot // lately, the newest first
	others    int              // machines, and strangers, that were heard lately
}

// unseen asks the server what may be told of a machine that has never booted. What
// cannot be had is left out.
func (a *app) unseen(ctx context.Context, name string) (u unseen) {
	u.name = name
	if m, err := a.client().Machine(ctx, name); err == nil {
		u.macs = m.MACs
	}
	if s, err := a.client().Status(ctx); err == nil {
		u.listening = s.Started
	}
	lines, _ := a.client().PacketLines(ctx, name, "")
	for _, l := range lines {
		if l.FromMachine {
			u.heard = &l
		}
	}
	boots, _ := a.client().LatestBoots(ctx)
	for _, b := range recent(boots, a.now()) {
		if a.now().Sub(b.Last) < lately {
			u.others++
		}
		if b.Machine == "" && b.MAC != "" {
			u.strangers = append(u.strangers, b)
		}
	}
	slices.SortStableFunc(u.strangers, func(a, b api.LatestBoot) int { return b.Last.Compare(a.Last) })
	return u
}

// text is what to look at, the likeliest first.
func (u unseen) text(now time.Time) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s has not been seen yet: no DHCP message of a boot has come from its MAC address, %s", clean(u.name), clean(strings.Join(u.macs, ", ")))
	if !u.listening.IsZero() {
		fmt.Fprintf(&b, "; this server has listened for %s", span(now.Sub(u.listening)))
	}
	b.WriteByte('\n')
	for i, l := range u.hints(now) {
		fmt.Fprintf(&b, "  %d. %s\n     -> %s\n", i+1, l.what, l.how)
	}
	return b.String()
}

// hint is something to look at, and how.
type hint struct{ what, how string }

func (u unseen) hints(now time.Time) (all []hint) {
	if u.heard != nil && strings.HasPrefix(u.heard.Text, "DHCPv6") {
		return []hint{{
			fmt.Sprintf("it asks by IPv6 alone, the last %s (%s), and this server boots by IPv4", ago(now, u.heard.Time), clean(u.heard.Text)),
			"in its firmware's set-up, switch network boot by IPv4 on: PXE IPv4, or IPv4 support of its network stack",
		}}
	}
	if u.heard != nil {
		return []hint{{
			fmt.Sprintf("other packets have come from it, the last %s (%s): its MAC address is right, its cable ends here, and it does not boot from the network", ago(now, u.heard.Time), clean(u.heard.Text)),
			"in its firmware's set-up, put the network first in the boot order: it starts something else before, a disk of its own",
		}}
	}
	near, others := u.mistyped()
	for _, s := range near {
		all = append(all, hint{
			fmt.Sprintf("is its MAC address mistyped, or that of another of its network cards? %s, which nobody has added and which differs in a digit or two, asked to boot %s", clean(s.MAC), ago(now, s.Last)),
			fmt.Sprintf("if that is it: bootes machine set %s --mac %s; if it has both cards: bootes machine set %s --mac %s,%s",
				u.name, clean(s.MAC), u.name, clean(strings.Join(u.macs, ",")), clean(s.MAC)),
		})
	}
	if len(near) == 0 && len(others) > 0 {
		all = append(all, hint{
			fmt.Sprintf("does it boot by another of its network cards, or is its MAC address another one? Who asked to boot and was not added, the last %s: %s", ago(now, u.strangers[0].Last), strings.Join(others, ", ")),
			fmt.Sprintf("compare with its screen, or a label on it; if one of these is its own: bootes machine set %s --mac %s,%s", u.name, clean(strings.Join(u.macs, ",")), others[0]),
		})
	}
	all = append(all,
		hint{"its screen says PXE, DHCP or network boot: then it asks, and its packets do not come here: the port of its switch is in another VLAN, or wants a login (802.1X), or its cable ends elsewhere",
			"give that port the VLAN of one where a machine boots, or plug it in there; " + u.hears()},
		hint{"its screen says nothing of that: then it is off, or does not boot from the network", "switch it on; put the network first in its firmware's boot order"},
	)
	if len(u.strangers) > 0 {
		return all
	}
	return append(all, hint{"is that its MAC address?", "its screen, or a label on it, has the true one; nobody has asked to boot who was not added"})
}

// hears is whether this server hears anybody.
func (u unseen) hears() string {
	if u.others == 0 {
		return "no other machine has been heard by this server either: see that its own port is in that network (bootes doctor)"
	}
	return fmt.Sprintf("this server hears %s there", count(u.others, "other machine"))
}

// maxStrangers is how many of those that nobody has added are named.
const maxStrangers = 3

// mistyped are strangers whose MAC address may be meant, and the others.
func (u unseen) mistyped() (near []api.LatestBoot, others []string) {
	for _, s := range u.strangers {
		switch like := func(mac string) bool { return inventory.Mistyped(mac, s.MAC) }; {
		case slices.ContainsFunc(u.macs, like) && len(near) < maxStrangers:
			near = append(near, s)
		case len(others) < maxStrangers:
			others = append(others, clean(s.MAC))
		}
	}
	return near, others
}
