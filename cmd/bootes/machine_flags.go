package main

import (
	"net"
	"net/netip"

	"github.com/spf13/cobra"

	"bootes.dev/internal/api"
	"bootes.dev/internal/bytesize"
)

// machineFlags are the flags of `machine add` and `machine set`.
type machineFlags struct {
	macs                  []string
	uuid, serial          string
	image, limit          string
	address               string
	loader                string
	persistent, ephemeral bool
	access                accessFlags
}

func (f *machineFlags) register(c *cobra.Command) {
	s := c.Flags()
	s.StringSliceVar(&f.macs, "mac", nil, "MAC `address` of a network card; more than one may be given")
	s.StringVar(&f.uuid, "uuid", "", "system `UUID`, or none: what the machine says at its next boot")
	s.StringVar(&f.serial, "serial", "", "serial `number` of the system, or none: what the machine says at its next boot")
	s.StringVar(&f.address, "address", "", "IPv4 `address` that the DHCP server keeps for it, or none")
	s.StringVar(&f.image, "image", "", "`name:tag` of the image to boot")
	s.BoolVar(&f.persistent, "persistent", false, "keep the disk from boot to boot")
	s.BoolVar(&f.ephemeral, "ephemeral", false, "start from the image at each boot")
	s.StringVar(&f.limit, "limit", "", "what the disk may hold beyond the image, a `size` such as 10G, or none")
	s.StringVar(&f.loader, "loader", "", "`file` of the folders of loaders that its firmware is given, or auto: what fits")
	f.access.register(c)
}

// change tells what the command line asked for.
func (f *machineFlags) change(c *cobra.Command) (ch api.MachineChange, err error) {
	if f.persistent && f.ephemeral {
		return ch, usage("--persistent and --ephemeral exclude each other: give one")
	}
	for _, m := range f.macs {
		hw, err := net.ParseMAC(m)
		if err != nil || len(hw) != 6 {
			return ch, usage("--mac %q is no MAC address: write six pairs of hex digits, such as 52:54:00:12:34:56", m)
		}
		ch.MACs = append(ch.MACs, hw.String())
	}
	given := c.Flags().Changed
	if given("uuid") {
		ch.UUID = noneIsEmpty(f.uuid)
	}
	if given("serial") {
		ch.Serial = noneIsEmpty(f.serial)
	}
	if given("address") {
		if f.address == "none" {
			f.address = ""
		} else if a, err := netip.ParseAddr(f.address); err != nil || !a.Is4() {
			return ch, usage("--address %q is no IPv4 address: write one such as 192.168.1.50, or none", f.address)
		}
		ch.Address = &f.address
	}
	if given("image") {
		ch.Image = &f.image
	}
	if given("loader") {
		if f.loader == "auto" {
			f.loader = ""
		}
		ch.Loader = &f.loader
	}
	if given("limit") {
		n, err := parseLimit(f.limit)
		if err != nil {
			return ch, err
		}
		ch.Limit = &n
	}
	if ch.Access, err = f.access.change(c); err != nil {
		return ch, err
	}
	mode := api.Persistent
	if f.ephemeral {
		mode = api.Ephemeral
	}
	if f.persistent || f.ephemeral {
		ch.Mode = &mode
	}
	if c.Name() == "set" && ch.MACs == nil && ch.UUID == nil && ch.Serial == nil && ch.Address == nil && ch.Image == nil && ch.Limit == nil && ch.Mode == nil && ch.Loader == nil && ch.Access == nil {
		return ch, usage("nothing to change: give one of --mac, --uuid, --serial, --address, --image, --persistent, --ephemeral, --limit, --loader, --from, --initiator, --lease")
	}
	return ch, nil
}

func noneIsEmpty(s string) *string {
	if s == "none" {
		s = ""
	}
	return &s
}

// parseLimit reads a --limit.
func parseLimit(s string) (int64, error) {
	if s == "none" {
		return 0, nil
	}
	n, err := bytesize.Parse(s)
	if err != nil {
		return 0, usage("--limit %q is no size: %v; or none", s, err)
	}
	return n, nil
}
