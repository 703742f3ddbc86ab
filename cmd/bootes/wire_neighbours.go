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
	own, _ := netif.List()
	return slices.DeleteFunc(h.packets.Claimants(a, since), func(mac net.HardwareAddr) bool {
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
