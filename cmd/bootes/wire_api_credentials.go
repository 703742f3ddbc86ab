package main

import (
	"context"
	"net/netip"

	"bootes.dev/internal/api"
	"bootes.dev/internal/inventory"
	"bootes.dev/internal/ipxe"
	"bootes.dev/internal/netif"
	"bootes.dev/internal/targets"
)

// credentials are the static ones of machines, as the API has them.
type credentials struct{ *house }

// show is st without its secrets.
func (h credentials) show(st inventory.Static) api.Credentials {
	target := h.boot.Target(st.Machine)
	c := api.Credentials{
		Machine: st.Machine, Target: target, LUN: targets.BootDisk, Initiator: st.Initiator, User: st.User,
		ReverseUser: st.Reverse.User, Created: st.Created, Portals: []string{}, RootPaths: []string{},
	}
	if c.Initiator == "" {
		c.Initiator = h.boot.InitiatorName(st.Machine)
	}
	for _, p := range h.portals() {
		c.Portals = append(c.Portals, p.String())
		c.RootPaths = append(c.RootPaths, ipxe.URI(p, targets.BootDisk, target))
	}
	if owner, since := h.targets.Holder(target); owner == st.User {
		c.Held = &since
	}
	return c
}

// portals are where disks are on each network that is served.
func (h credentials) portals() (list []netip.AddrPort) {
	for _, i := range h.cfg.Interfaces {
		addr := i.Portal
		if n, err := netif.ByName(i.Name); err == nil && !addr.IsValid() {
			p, _ := n.IPv4()
			addr = p.Addr()
		}
		if addr.IsValid() {
			list = append(list, netip.AddrPortFrom(addr, uint16(h.cfg.Ports.ISCSI)))
		}
	}
	return list
}

func (h credentials) Credentials(ctx context.Context, machine string) (api.Credentials, error) {
	if _, err := h.inv.Machine(ctx, machine); err != nil {
		return api.Credentials{}, apiError(err)
	}
	st, err := h.inv.Static(ctx, machine)
	if is[*inventory.NotFoundError](err) {
		return api.Credentials{}, api.Errorf(api.NotFound, "machine %q has no static credentials: `bootes machine credentials %s --new` makes them", machine, machine)
	}
	return h.show(st), apiError(err)
}

func (h credentials) NewCredentials(ctx context.Context, machine string, r api.CredentialsRequest) (api.Credentials, error) {
	st, err := h.inv.NewStatic(ctx, machine, r.Initiator)
	if err != nil {
		return api.Credentials{}, apiError(err)
	}
	err = h.targets.EndStatic(ctx, st, "its static credentials were made anew")
	c := h.show(st)
	c.Secret, c.ReverseSecret = st.Secret, st.Reverse.Secret
	return c, apiError(err)
}

func (h credentials) RevokeCredentials(ctx context.Context, machine string) error {
	if _, err := h.inv.Machine(ctx, machine); err != nil {
		return apiError(err)
	}
	st, err := h.inv.RevokeStatic(ctx, machine)
	if is[*inventory.NotFoundError](err) {
		return api.Errorf(api.NotFound, "machine %q has no static credentials", machine)
	}
	if err != nil {
		return apiError(err)
	}
	return apiError(h.targets.EndStatic(ctx, st, "its static credentials were revoked"))
}
