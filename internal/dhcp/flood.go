package dhcp

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"time"
)

const (
	floodTick = time.Second
	floodSize = 100              // messages dropped within a tick; fewer are a hitch
	floodOver = 30 * time.Second // without a message dropped
	// floodNames is how many hardware addresses of a flood are told apart.
	floodNames = 1000
)

// flood is more messages on an interface than can be answered. It is told of
// twice: when it begins and when it is over.
type flood struct {
	mu      sync.Mutex
	count   int // messages dropped; 0: there is no flood
	before  int // of which so many were dropped before this tick
	clients map[[ethernetLen]byte]bool
	relay   netip.Addr // by which the last one came
	began   time.Time
	last    time.Time
	told    bool
}

const giaddr = 24 // its offset (RFC 2131, figure 1)

// dropped notes a message.
func (f *flood) dropped(b []byte) {
	now := time.Now()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.count == 0 {
		f.clients, f.began = map[[ethernetLen]byte]bool{}, now
	}
	f.count++
	f.last = now
	if mac := client(b); len(mac) == ethernetLen && len(f.clients) < floodNames {
		f.clients[[ethernetLen]byte(mac)] = true
	}
	if len(b) >= giaddr+4 {
		f.relay = addr(b[giaddr : giaddr+4])
	}
}

// tell logs what there is to tell of the flood, and returns what concerns boots,
// too.
func (f *flood) tell(log *slog.Logger, ifname string, now time.Time) (news string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.count == 0:
	case now.Sub(f.last) > floodOver:
		if f.told {
			log.Info("the flood of DHCP messages is over", "interface", ifname, "dropped", f.count, "took", f.last.Sub(f.began).Round(time.Second))
		}
		f.count, f.before, f.clients, f.told = 0, 0, nil, false
	case !f.told && f.count-f.before >= floodSize:
		f.told = true
		log.Warn("flood of DHCP messages: machines that were added are answered first, others as far as there is time; look where they come from",
			"interface", ifname, "dropped", f.count, "clients", f.names(), "relay", f.relay)
		news = fmt.Sprintf("a flood of DHCP messages of %s clients: some of this machine's may be lost, and it may have to ask again", f.names())
	}
	f.before = f.count
	return news
}

func (f *flood) names() string {
	if len(f.clients) == floodNames {
		return fmt.Sprintf("%d or more", floodNames)
	}
	return fmt.Sprint(len(f.clients))
}

// watchFloods tells of floods until ctx ends.
func watchFloods(ctx context.Context, ports []*port, warn func(ifname, text string)) {
	tick := time.NewTicker(floodTick)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			for _, p := range ports {
				if news := p.link.flood.tell(p.link.log, p.link.config.Name, now); news != "" {
					warn(p.link.config.Name, news)
				}
			}
		}
	}
}
