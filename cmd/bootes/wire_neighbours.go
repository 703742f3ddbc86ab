package main

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"bootes.dev/internal/config"
	"bootes.dev/internal/diagnose"
	"bootes.dev/internal/netif"
)

// askTimes and askTime are how often, and for how long each time, the network is
// asked who has an address. On a wire an answer takes a millisecond.
const (
	askTimes = 2
	askTime  = 150 * time.Millisecond
)

// neighbours is the networks that the house serves.
type neighbours struct{ *house }

func (h neighbours) Ask(ctx context.Context, iface string, addrs ...netip.Addr) {
	for range askTimes {
		h.packets.WhoHas(iface, addrs...)
		select {
		case <-ctx.Done():
			return
		case <-time.After(askTime):
		}
	}
}

func (h neighbours) Claimants(a netip.Addr, since time.Time) []net.HardwareAddr {
	all := h.packets.Claimants(a, since)
	if len(all) == 0 {
		return nil
	}
	own, _ := netif.List()
	return slices.DeleteFunc(all, func(mac net.HardwareAddr) bool {
		return slices.ContainsFunc(own, func(i netif.Interface) bool { return bytes.Equal(i.MAC, mac) })
	})
}

func (h neighbours) Way(ctx context.Context, relay, from netip.Addr) (w diagnose.Way) {
	to, err := netif.RouteTo(relay)
	switch {
	case errors.Is(err, unix.ENETUNREACH), errors.Is(err, unix.EHOSTUNREACH):
		w.Known, w.Missing = true, true
	case err == nil:
		w.Interface, w.Gateway, w.Default = to.Interface, to.Gateway, to.Default
		w.Answers, err = netif.Ping(ctx, relay)
		w.Known = err == nil
	}
	if at, err := netif.RouteTo(from); err == nil && !at.Gateway.IsValid() && from != relay {
		w.From = from
	}
	return w
}

// serveTime is how long a computer is waited for that a system mounts a folder from.
const serveTime = 2 * time.Second

func (h neighbours) Serves(ctx context.Context, at netip.AddrPort) diagnose.Answer {
	if !h.serves(at.Addr()) {
		return diagnose.NotAsked
	}
	d := net.Dialer{Timeout: serveTime}
	c, err := d.DialContext(ctx, "tcp", at.String())
	var late net.Error
	switch {
	case err == nil:
		c.Close()
		return diagnose.Answers
	case errors.Is(err, unix.ECONNREFUSED):
		return diagnose.Refuses
	case errors.Is(err, unix.EHOSTUNREACH), errors.As(err, &late) && late.Timeout():
		return diagnose.Silent
	}
	return diagnose.NotAsked // it is this server that cannot
}

func (h neighbours) Lookup(ctx context.Context, iface string, machine netip.Addr, name string) (a, asked netip.Addr, err error) {
	servers := h.cfg.NameServers(iface, machine)
	if len(servers) == 0 {
		return a, asked, nil
	}
	for _, asked = range servers { // a system goes to the next if one does not answer
		if a, err = netif.Lookup(ctx, asked, name); err == nil {
			break
		}
	}
	return a, asked, err
}

// serves reports whether an address is in a network that this server serves: no
// others are asked for what a disk names.
func (h neighbours) serves(a netip.Addr) bool {
	own, _ := netif.List()
	for _, i := range h.cfg.Interfaces {
		if slices.ContainsFunc(i.Subnets, func(s config.Subnet) bool { return s.Prefix.IsValid() && s.Prefix.Contains(a) }) {
			return true
		}
		for _, o := range own {
			if o.Name == i.Name && slices.ContainsFunc(o.Addrs, func(p netip.Prefix) bool { return p.Contains(a) }) {
				return true
			}
		}
	}
	return false
}
