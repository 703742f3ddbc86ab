package doctor

import (
	"context"
	"errors"
	"fmt"
	"os"

	"bootes.dev/internal/config"
	"bootes.dev/internal/dhcp"
)

// hearing is which DHCP servers were heard on an interface.
type hearing struct {
	link
	rivals []dhcp.Rival
	err    error
}

// listen looks for other DHCP servers on all links at once.
func listen(ctx context.Context, links []link) <-chan []hearing {
	done := make(chan []hearing, 1)
	heard := make([]chan hearing, len(links))
	for i, l := range links {
		heard[i] = make(chan hearing, 1)
		if l.err != nil || !l.up || l.mode == config.Off {
			close(heard[i])
			continue
		}
		go func() {
			rivals, err := dhcp.Probe(ctx, l.name, Listen)
			heard[i] <- hearing{l, rivals, err}
			close(heard[i])
		}()
	}
	go func() {
		var all []hearing
		for _, c := range heard {
			for h := range c {
				all = append(all, h)
			}
		}
		done <- all
	}()
	return done
}

func judgeRivals(all []hearing) []Finding {
	g := group{check: "other DHCP servers"}
	for _, h := range all {
		h.judge(&g)
	}
	return g.all
}

func (h hearing) judge(g *group) {
	switch {
	case errors.Is(h.err, os.ErrPermission):
		g.warn(fmt.Sprintf("none was looked for on %s: only root may", h.name), "run this as root")
		return
	case h.err != nil:
		g.warn(h.err.Error(), "")
		return
	}
	servers := 0
	for _, r := range h.rivals {
		if r.Proxy() {
			g.warn(fmt.Sprintf("%s on %s tells machines to boot %q and gives no addresses: a second proxy", r.Source, h.name, r.BootFile),
				"machines take either's word; switch one of the two off")
			continue
		}
		servers++
		h.judgeServer(g, r)
	}
	if servers > 0 {
		return
	}
	switch h.mode {
	case config.Server:
		g.ok(fmt.Sprintf("none answers on %s", h.name))
	default:
		g.warn(fmt.Sprintf("none answers on %s, where we give no addresses: machines there get none", h.name),
			fmt.Sprintf("if no other server is meant to: dhcp: server and range: for %s in the config", h.name))
	}
}

func (h hearing) judgeServer(g *group, r dhcp.Rival) {
	who := fmt.Sprintf("%s on %s", r.Source, h.name)
	switch {
	case h.mode == config.Server:
		g.fail(fmt.Sprintf("%s gives addresses, too (%s): two servers on one network give out clashing ones", who, r.Offered),
			fmt.Sprintf("switch that one off, or write dhcp: proxy for %s in the config", h.name))
	case r.BootFile != "":
		from := ""
		if r.NextServer.IsValid() && !r.NextServer.IsUnspecified() {
			from = " from " + r.NextServer.String()
		}
		g.warn(fmt.Sprintf("%s gives addresses, and tells machines to boot %q%s itself: some firmware takes its word and not ours", who, r.BootFile, from),
			"take the boot file out of that server, or have it name ours: `bootes dhcp-snippet`")
	default:
		g.ok(who + " gives addresses, and says nothing of booting")
	}
}
