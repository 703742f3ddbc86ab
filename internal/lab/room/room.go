// Package room is many machines without disks on one network card: none of them
// exists, and to a boot server each is one, with a hardware address of its own.
// Tests and benchmarks put floods and storms to servers with it.
//
// Two things can be done with it. Exchange keeps a steady rate of DISCOVER–ACK
// exchanges, as a relay of many clients would. Boot switches machines on at once,
// and takes each from its DISCOVER to its iPXE script:
//
//	machines ──▶ DHCP: frames with their own addresses ──────────▶ card ──▶ server
//	         ◀── ARP is answered for each ◀────────────────────────┤
//	         ──▶ HTTP: the kernel's TCP ──▶ tap ──▶ MAC exchanged ─┘
//
// It runs in a network namespace of its own, in a process of its own.
package room

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// Options for Boot.
type Options struct {
	Card     string     // the network card
	Server   netip.Addr // of DHCP and HTTP
	Machines int
	Patience time.Duration // of one machine; 0: a minute
}

// Report is what came of a room.
type Report struct {
	Booted        int           // machines that have their script
	Took          time.Duration // from the first DISCOVER to the last script
	P50, P99, Max time.Duration // of one machine
	Leased        time.Duration // until every machine had its lease
	Faults        []string      // of the others, each once
}

// maxFaults is how many different faults are told.
const maxFaults = 5

// Boot switches machines on, all at once, and waits for their scripts.
func Boot(ctx context.Context, o Options) (Report, error) {
	if o.Patience == 0 {
		o.Patience = time.Minute
	}
	c, err := plugIn(o)
	if err != nil {
		return Report{}, fmt.Errorf("make a room of %d machines: %w", o.Machines, err)
	}
	defer c.close()
	boots := make([]boot, o.Machines)
	began := time.Now()
	var group sync.WaitGroup
	for n := range boots {
		group.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, o.Patience)
			defer cancel()
			boots[n] = c.boot(ctx, n)
		})
	}
	group.Wait()
	return summary(boots, began), ctx.Err()
}

// boot is how one machine fared.
type boot struct {
	leased, scripted time.Time
	err              error
}

func summary(boots []boot, began time.Time) (r Report) {
	var times []time.Duration
	var last time.Time
	for _, b := range boots {
		if b.err != nil {
			if text := b.err.Error(); len(r.Faults) < maxFaults && !slices.Contains(r.Faults, text) {
				r.Faults = append(r.Faults, text)
			}
			continue
		}
		r.Booted++
		times = append(times, b.scripted.Sub(began))
		if b.leased.After(last) {
			last = b.leased
		}
	}
	if len(times) == 0 {
		return r
	}
	slices.Sort(times)
	at := func(q int) time.Duration { return times[(len(times)-1)*q/100] }
	r.P50, r.P99, r.Max = at(50), at(99), at(100)
	r.Took, r.Leased = r.Max, last.Sub(began)
	return r
}
