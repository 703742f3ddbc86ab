package main

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"bootes.dev/internal/config"
	"bootes.dev/internal/netif"
)

// checkInterfaces refuses interfaces that do not exist or have no address.
func checkInterfaces(cfg *config.Config) error {
	if len(cfg.Interfaces) == 0 {
		return withCode(exitUsage, fmt.Errorf("%s names no interface: under interfaces: write the ones to serve; this computer has: %s",
			cfg.File, strings.Join(netif.Names(), ", ")))
	}
	var faults []error
	for _, i := range cfg.Interfaces {
		at := fmt.Sprintf("%s:%d:%d", cfg.File, i.Line, i.Column)
		n, err := netif.ByName(i.Name)
		if err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", at, err))
			continue
		}
		if _, ok := n.IPv4(); !ok {
			faults = append(faults, fmt.Errorf("%s: interface %q has no IPv4 address: give it one, for machines to boot from: ip addr add ADDRESS/LENGTH dev %s", at, i.Name, i.Name))
			continue
		}
		if err := checkNetwork(i, n); err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", at, err))
		}
	}
	return withCode(exitNotFound, errors.Join(faults...))
}

// checkNetwork refuses a range for the interface's own network that lies in
// none of its networks: its clients could not reach us.
func checkNetwork(i config.Interface, n netif.Interface) error {
	if len(i.Ranges) == 0 {
		return nil
	}
	for _, a := range n.Addrs {
		if i.Prefix.IsValid() && i.Prefix.Contains(a.Addr()) {
			return nil
		}
		if !i.Prefix.IsValid() && a.Contains(i.Ranges[0].First) {
			return checkRanges(i, a.Masked())
		}
	}
	in := "the network of " + i.Ranges[0].String()
	if i.Prefix.IsValid() {
		in = i.Prefix.String()
	}
	return fmt.Errorf("interface %q has no address in %s: give it one, or move the range under subnets: with its prefix: if a relay is in front of it", i.Name, in)
}

func checkRanges(i config.Interface, p netip.Prefix) error {
	for _, r := range i.Ranges {
		if !p.Contains(r.First) || !p.Contains(r.Last) {
			return fmt.Errorf("range %s is not all in %s, the network of interface %q: write a range inside it, or prefix: if the network is larger", r, p, i.Name)
		}
	}
	return nil
}
