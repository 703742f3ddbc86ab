package main

import (
	"context"

	"bootes.dev/internal/boot"
	"bootes.dev/internal/config"
	"bootes.dev/internal/inventory"
)

var policies = map[config.Unknown]boot.Policy{config.Ignore: boot.Ignore, config.Hold: boot.Hold, config.Enrol: boot.Enrol}

// unknownMachines is what becomes of machines that nobody has added, by the
// interface that they come in by.
func unknownMachines(cfg *config.Config) map[string]boot.Unknown {
	all := map[string]boot.Unknown{}
	for _, i := range cfg.Interfaces {
		all[i.Name] = boot.Unknown{
			Policy: policies[i.Unknown], Image: i.Enrol.Image, Mode: inventory.Mode(i.Enrol.Mode), Name: i.Enrol.Name, Limit: cfg.Limits.Volume,
		}
	}
	return all
}

// checkEnrolments says at the start which interfaces cannot enrol anybody yet.
func (h *house) checkEnrolments(ctx context.Context) {
	for _, i := range h.cfg.Interfaces {
		if i.Unknown != config.Enrol {
			continue
		}
		if _, err := h.inv.Resolve(ctx, i.Enrol.Image); err != nil {
			h.log.Warn("unknown machines cannot be enrolled yet: they wait for approval", "interface", i.Name, "err", err)
		}
	}
}
