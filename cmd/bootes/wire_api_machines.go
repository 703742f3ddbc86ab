package main

import (
	"context"
	"net/netip"
	"slices"
	"strings"

	"bootes.dev/internal/api"
	"bootes.dev/internal/inventory"
	"bootes.dev/internal/storage"
)

type machines struct{ *house }

// apiMachine is a machine as the API shows it, given the volumes it has and the
// names of all images and tags.
func apiMachine(m inventory.Machine, volumes []storage.VolumeInfo, names inventory.Names) api.Machine {
	var public []string
	for name, key := range m.Identity.HostKeys {
		if strings.HasSuffix(name, ".pub") {
			public = append(public, strings.TrimSpace(key))
		}
	}
	slices.Sort(public)
	address := ""
	if m.Address.IsValid() {
		address = m.Address.String()
	}
	out := api.Machine{
		Name: m.Name, MACs: m.MACs, UUID: m.UUID, Serial: m.Serial, Address: address, Image: m.Image, ImageGone: !names.Has(m.Image), Mode: string(m.Mode), Limit: m.Limit, Loader: m.Loader,
		MachineID: m.Identity.MachineID, HostKeys: public, Created: m.Created,
	}
	if a := m.Access; len(a.From) > 0 || len(a.Initiators) > 0 || a.Lease {
		out.Access = &api.Access{From: []string{}, Initiators: append([]string{}, a.Initiators...), Lease: a.Lease}
		for _, p := range a.From {
			out.Access.From = append(out.Access.From, inventory.FromText(p))
		}
	}
	if m.Hardware != (inventory.Hardware{}) {
		out.Hardware = new(api.Hardware(m.Hardware))
	}
	if m.Update != nil {
		out.Update = &api.Update{Machine: m.Name, Image: m.Update.Image, Volume: m.Update.Volume, Started: m.Update.Started}
	}
	for _, a := range m.Disks {
		out.Disks = append(out.Disks, apiAttachment(a))
	}
	for _, v := range volumes {
		switch {
		case v.Machine != m.Name:
		case m.Update != nil && v.ID == m.Update.Volume:
			out.Update.Written = v.Disk.Private
		case v.Mode == m.Mode && v.Ref == m.Image:
			out.Newer = v.Newer
		}
	}
	return out
}

// show is apiMachine for what the inventory has answered.
func (h machines) show(ctx context.Context, m inventory.Machine, err error) (api.Machine, error) {
	ctx = context.WithoutCancel(ctx)
	var all []storage.VolumeInfo
	var names inventory.Names
	if err == nil {
		all, err = h.storage.Volumes(ctx)
	}
	if err == nil {
		names, err = h.inv.Names(ctx)
	}
	return apiMachine(m, all, names), apiError(err)
}

func (h machines) Machines(ctx context.Context) ([]api.Machine, error) {
	all, err := h.inv.Machines(ctx)
	if err != nil {
		return nil, apiError(err)
	}
	volumes, err := h.storage.Volumes(ctx)
	if err != nil {
		return nil, apiError(err)
	}
	names, err := h.inv.Names(ctx)
	return each(all, err, func(m inventory.Machine) api.Machine { return apiMachine(m, volumes, names) })
}

func (h machines) Machine(ctx context.Context, name string) (api.Machine, error) {
	m, err := h.inv.Machine(ctx, name)
	return h.show(ctx, m, err)
}

func (h machines) AddMachine(ctx context.Context, n api.NewMachine) (api.Machine, error) {
	mode := n.Mode
	if mode == "" {
		mode = api.Persistent
	}
	limit := h.cfg.Limits.Volume
	set(&limit, n.Limit)
	address, err := parseAddress(n.Address)
	if err != nil {
		return api.Machine{}, err
	}
	add := inventory.Machine{
		Name: n.Name, MACs: n.MACs, UUID: n.UUID, Serial: n.Serial, Address: address, Image: n.Image, Mode: inventory.Mode(mode), Limit: limit,
	}
	if add.Loader, err = h.pinned(n.Loader); err != nil {
		return api.Machine{}, err
	}
	if err := setAccess(&add.Access, n.Access); err != nil {
		return api.Machine{}, apiError(err)
	}
	m, err := h.inv.AddMachine(ctx, add)
	return h.show(ctx, m, err)
}

func (h machines) SetMachine(ctx context.Context, name string, c api.MachineChange) (api.Machine, error) {
	if old, err := h.inv.Machine(ctx, name); err == nil && (c.Image != nil && *c.Image != old.Image || c.Mode != nil && *c.Mode != string(old.Mode)) {
		if err := h.storage.MayGiveDisk(ctx, name); err != nil {
			return api.Machine{}, apiError(err)
		}
	}
	m, err := h.inv.SetMachine(ctx, name, func(m *inventory.Machine) error {
		if len(c.MACs) > 0 {
			m.MACs = c.MACs
		}
		if c.UUID != nil {
			m.UUID, m.Hardware.UUID = *c.UUID, ""
		}
		if c.Serial != nil {
			m.Serial, m.Hardware.Serial = *c.Serial, ""
		}
		set(&m.Image, c.Image)
		set(&m.Limit, c.Limit)
		if c.Loader != nil {
			loader, err := h.pinned(*c.Loader)
			if err != nil {
				return err
			}
			m.Loader = loader
		}
		if c.Address != nil {
			address, err := parseAddress(*c.Address)
			if err != nil {
				return err
			}
			m.Address = address
		}
		if c.Mode != nil {
			m.Mode = inventory.Mode(*c.Mode)
		}
		return setAccess(&m.Access, c.Access)
	})
	return h.show(ctx, m, err)
}

// setAccess changes the rules that were given.
func setAccess(a *inventory.Access, c *api.AccessChange) error {
	if c == nil {
		return nil
	}
	if c.From != nil {
		a.From = nil
		for _, s := range *c.From {
			p, err := inventory.ParseFrom(s)
			if err != nil {
				return err
			}
			a.From = append(a.From, p)
		}
	}
	set(&a.Initiators, c.Initiators)
	set(&a.Lease, c.Lease)
	return nil
}

// parseAddress reads an address to keep; empty is none.
func parseAddress(s string) (netip.Addr, error) {
	if s == "" {
		return netip.Addr{}, nil
	}
	a, err := netip.ParseAddr(s)
	if err != nil || !a.Is4() {
		return a, api.Errorf(api.Invalid, "address %q is no IPv4 address", s)
	}
	return a, nil
}

// set changes what was given.
func set[T any](to *T, from *T) {
	if from != nil {
		*to = *from
	}
}

func (h machines) RemoveMachine(ctx context.Context, name string) error {
	return apiError(h.storage.RemoveMachine(ctx, name))
}
