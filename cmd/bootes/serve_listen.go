package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"bootes.dev/internal/api"
	"bootes.dev/internal/netif"
)

func (h *house) openSockets(context.Context) (err error) {
	if h.http, err = h.listenMachines(h.cfg.Ports.HTTP, "ports.http"); err != nil {
		return err
	}
	if h.iscsi, err = h.listenMachines(h.cfg.Ports.ISCSI, "ports.iscsi"); err != nil {
		return err
	}
	if h.tftp, err = listenUDP(h.cfg.Ports.TFTP, "ports.tftp"); err != nil {
		return err
	}
	h.onClose(ignoreClosed(h.tftp.Close))
	if h.cfg.Metrics.IsValid() {
		if h.scrapes, err = listenTCP(h.cfg.Metrics, "metrics"); err != nil {
			return err
		}
		h.onClose(ignoreClosed(h.scrapes.Close))
	}
	h.api, err = api.Listen(h.cfg.API.Socket, h.cfg.API.Group)
	switch {
	case errors.Is(err, api.ErrInUse):
		return err
	case err != nil: // what api: in the config says cannot be
		return withCode(exitUsage, err)
	}
	h.onClose(ignoreClosed(h.api.Close))
	return nil
}

// listenMachines listens for what machines read much from.
func (h *house) listenMachines(port int, key string) (net.Listener, error) {
	l, err := listenTCP(anyAddress(port), key)
	if err != nil {
		return nil, err
	}
	h.onClose(ignoreClosed(l.Close))
	near, instead := netif.Unpaced(l)
	if instead != "" {
		h.log.Info("send to machines nearby without BBR, which paces", "port", port, "congestion_control", instead)
	}
	return near, nil
}

func anyAddress(port int) netip.AddrPort {
	return netip.AddrPortFrom(netip.IPv4Unspecified(), uint16(port))
}

func listenTCP(at netip.AddrPort, key string) (net.Listener, error) {
	network := "tcp"
	if at.Addr().Is4() {
		network = "tcp4" // not [::], which is what Go makes of 0.0.0.0
	}
	l, err := net.ListenTCP(network, net.TCPAddrFromAddrPort(at))
	if err != nil {
		return nil, portError("tcp", at, key, err)
	}
	return l, nil
}

func listenUDP(port int, key string) (*net.UDPConn, error) {
	c, err := net.ListenUDP("udp4", &net.UDPAddr{Port: port})
	if err != nil {
		return nil, portError("udp", anyAddress(port), key, err)
	}
	return c, nil
}

func portError(network string, at netip.AddrPort, key string, err error) error {
	err = netif.BindError(network, at, err)
	if taken := (*netif.TakenError)(nil); errors.As(err, &taken) {
		return fmt.Errorf("%w: stop that program, or set another %s in the config", err, key)
	}
	return fmt.Errorf("open %s port %d (%s in the config): %w", network, at.Port(), key, err)
}

func ignoreClosed(f func() error) func() error {
	return func() error {
		if err := f(); !errors.Is(err, net.ErrClosed) {
			return err
		}
		return nil
	}
}
