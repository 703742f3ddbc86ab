package main

import (
	"context"
	"fmt"
	"time"

	"bootes.dev/internal/api"
)

// bootWithPackets is a boot in JSON, if its packets are wanted, too.
type bootWithPackets struct {
	api.MachineBoot
	Packets []api.PacketLine `json:"packets"`
}

func (a *app) bootLogPackets(ctx context.Context, name string, boots []api.MachineBoot) error {
	all := make([]bootWithPackets, len(boots))
	packets := make([][]api.PacketLine, len(boots))
	for i, b := range boots {
		var err error
		if b.ID != "" { // of what nobody could open a boot for, there may be none
			packets[i], err = a.client().PacketLines(ctx, name, b.ID)
		}
		if err != nil {
			return err
		}
		all[i] = bootWithPackets{b, packets[i]}
	}
	return a.print(all, func() string { return a.bootLogText(name, boots, packets) })
}

// packetsUntil tells of the packets up to the next event.
func (s *story) packetsUntil(b api.Boot, next time.Time) {
	for len(s.packets) > 0 && !s.packets[0].Time.After(next) {
		p := s.packets[0]
		s.packets = s.packets[1:]
		arrow := "<"
		if p.FromMachine {
			arrow = ">"
		}
		at := max(0, p.Time.Sub(b.Started)) // the first packet comes before the first event
		fmt.Fprintf(s, "  %9s  %s\n", "+"+offset(at), s.ink.faint(arrow+" "+clean(p.Text)))
	}
}
