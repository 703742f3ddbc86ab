package main

import (
	"cmp"
	"context"
	"fmt"

	"bootes.dev/internal/api"
	"bootes.dev/internal/config"
	"bootes.dev/internal/inventory"
	"bootes.dev/internal/recorder"
)

type waiting struct{ *house }

func (h waiting) Waiting(ctx context.Context) ([]api.Waiting, error) {
	all, err := h.inv.AllWaiting(ctx)
	return each(all, err, func(w inventory.Waiting) api.Waiting {
		return api.Waiting{MAC: w.MAC, Interface: w.Interface, Since: w.Since, Seen: w.Seen, Like: w.Like, Hardware: api.Hardware(w.Hardware)}
	})
}

func (h waiting) Approve(ctx context.Context, mac string, a api.Approval) (api.Machine, error) {
	w, err := h.inv.WaitingOf(ctx, mac)
	if err != nil {
		return api.Machine{}, apiError(err)
	}
	e := h.enrolment(w.Interface)
	if a.Image = cmp.Or(a.Image, e.Image); a.Image == "" {
		return api.Machine{}, api.Errorf(api.Invalid, "approve %s: --image is missing: what it boots, such as --image debian:12; "+
			"or for all that wait there, in the config, enrol: {image: debian:12} of interface %s", w.MAC, w.Interface)
	}
	if a.Name == "" {
		a.Name, err = h.inv.NameFor(ctx, cmp.Or(e.Name, inventory.DefaultPattern), w.MAC, w.Hardware)
		if err != nil {
			return api.Machine{}, apiError(err)
		}
	}
	m, err := machines(h).AddMachine(ctx, api.NewMachine{
		Name: a.Name, MACs: []string{w.MAC}, Image: a.Image, Mode: cmp.Or(a.Mode, e.Mode), Address: a.Address, Limit: a.Limit,
	})
	if err == nil {
		h.rec.Add(recorder.Event{MAC: w.MAC, Text: fmt.Sprintf("approved as machine %s, which boots %s", m.Name, m.Image)})
		h.log.Info("machine approved", "machine", m.Name, "mac", w.MAC)
	}
	return m, err
}

func (h waiting) Dismiss(ctx context.Context, mac string) error {
	return apiError(h.inv.DismissWaiting(ctx, mac))
}

// enrolment is what unknown machines become on an interface.
func (h waiting) enrolment(name string) config.Enrolment {
	for _, i := range h.cfg.Interfaces {
		if i.Name == name {
			return i.Enrol
		}
	}
	return config.Enrolment{}
}
