package main

import (
	"fmt"
	"io/fs"
	"net"
	"net/netip"

	"bootes.dev/internal/config"
	"bootes.dev/internal/netif"
)

// served reports whether an address of this computer is one that the config
// says to serve: of a listed interface, or named there as portal or http.
// Addresses may come and go, so each time it looks.
func served(cfg *config.Config, local netip.Addr) bool {
	for _, i := range cfg.Interfaces {
		if local == i.Portal || local == i.HTTP {
			return true
		}
		n, err := netif.ByName(i.Name)
		if err != nil {
			continue
		}
		for _, p := range n.Addrs {
			if p.Addr() == local {
				return true
			}
		}
	}
	return false
}

// servedListener closes connections to any other address at once.
type servedListener struct {
	net.Listener
	cfg *config.Config
}

func (l servedListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if local, ok := c.LocalAddr().(*net.TCPAddr); ok && served(l.cfg, local.AddrPort().Addr().Unmap()) {
			return c, nil
		}
		c.Close()
	}
}

// notServed is what TFTP tells a client of any other address.
func notServed(local netip.Addr) error {
	return fmt.Errorf("nothing is served at %s: %w", local, fs.ErrPermission)
}
