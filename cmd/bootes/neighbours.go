package main

import (
	"context"
	"fmt"
	"log/slog"

	"bootes.dev/internal/netif"
)

// checkNeighbours warns of more machines than the kernel can know at once: when
// all are switched on, those left over wait half a minute for their script.
func (h *house) checkNeighbours(ctx context.Context) {
	machines, err := h.inv.CountMachines(ctx)
	if err != nil {
		return // whoever needs them will say so
	}
	if limit, ok := netif.NeighbourLimit(); ok {
		warnNeighbours(h.log, machines, limit)
	}
}

func warnNeighbours(log *slog.Logger, machines, limit int) {
	if machines < limit/4*3 {
		return
	}
	log.Warn(fmt.Sprintf("the kernel of this server remembers %d neighbours at most, which is too few for %d machines that boot at once: %s",
		limit, machines, netif.RaiseNeighbourLimit(4*max(machines, limit))))
}
