package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"strings"
)

// neighbourLimit holds how many neighbours the kernel remembers.
const neighbourLimit = "/proc/sys/net/ipv4/neigh/default/gc_thresh3"

// checkNeighbours warns of more machines than the kernel can know at once: when
// all are switched on, those left over wait half a minute for their script.
func (h *house) checkNeighbours(ctx context.Context) {
	machines, err := h.inv.Machines(ctx)
	if err != nil {
		return // whoever needs them will say so
	}
	text, err := os.ReadFile(neighbourLimit)
	if err != nil {
		return
	}
	if limit, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil {
		warnNeighbours(h.log, len(machines), limit)
	}
}

func warnNeighbours(log *slog.Logger, machines, limit int) {
	if machines < limit/4*3 {
		return
	}
	log.Warn(fmt.Sprintf("the kernel of this server remembers %d neighbours at most, which is too few for %d machines that boot at once: sysctl -w net.ipv4.neigh.default.gc_thresh3=%d, and the same in /etc/sysctl.d",
		limit, machines, 4*max(machines, limit)))
}
