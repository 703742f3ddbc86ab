package main

import (
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
