package main

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"bootes.dev/internal/api"
	"bootes.dev/internal/bytesize"
)

func (a *app) machineWaiting() *cobra.Command {
	return &cobra.Command{
		Use: "waiting", Short: "List the machines that wait for approval", Args: exactly(),
		Long: "List the machines that nobody has added and that asked to boot where the config says unknown: hold. Each shows\n" +
			"on its screen that it waits. What a machine says of itself anybody could make up.",
		Example: "  bootes machine waiting\n  bootes machine waiting -o json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			all, err := a.client().Waiting(cmd.Context())
			if err != nil {
				return err
			}
			return a.print(all, func() string { return a.waitingTable(all) })
		},
	}
}

func (a *app) waitingTable(all []api.Waiting) string {
	if len(all) == 0 {
		return "no machine waits for approval\n"
	}
	t := newTable("MAC", "SINCE", "SEEN", "HARDWARE", "SERIAL", ">MEMORY", "NIC", "INTERFACE", "PERHAPS")
	for _, w := range all {
		memory := "-"
		if w.Hardware.Memory > 0 {
			memory = bytesize.Format(w.Hardware.Memory)
		}
		t.row(w.MAC, ago(a.now(), w.Since), ago(a.now(), w.Seen), dash(maker(w.Hardware)), dash(w.Hardware.Serial), memory,
			dash(w.Hardware.NIC), w.Interface, dash(w.Like))
	}
	if !slices.ContainsFunc(all, func(w api.Waiting) bool { return w.Like != "" }) {
		t.drop("PERHAPS")
	}
	return t.String()
}

func maker(h api.Hardware) string { return strings.TrimSpace(h.Manufacturer + " " + h.Product) }

// hardwareLines are what a machine has said of itself, for a sheet. A person's
// word of it goes first.
func hardwareLines(m api.Machine) []string {
	h := value(m.Hardware)
	memory := ""
	if h.Memory > 0 {
		memory = bytesize.Format(h.Memory)
	}
	return []string{"uuid", cmp.Or(m.UUID, h.UUID), "serial", cmp.Or(m.Serial, h.Serial), "hardware", maker(h), "memory", memory, "nic", h.NIC}
}

func (a *app) machineApprove() *cobra.Command {
	var r api.Approval
	var persistent, ephemeral bool
	var limit string
	c := &cobra.Command{
		Use: "approve MAC…", Short: "Add machines that wait, which go on at once", Args: some("MAC"),
		Long: "Add machines that `bootes machine waiting` lists. They go on within seconds. What is not given is as enrol: in\n" +
			"the config says for their interface; names are the next ones by its pattern.",
		Example: "  bootes machine approve 52:54:00:12:34:56 --name pc07 --image debian:12 --ephemeral\n  bootes machine approve 52:54:00:12:34:56",
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case persistent && ephemeral:
				return usage("--persistent and --ephemeral exclude each other: give one")
			case len(args) > 1 && (r.Name != "" || r.Address != ""):
				return usage("--name and --address are of one machine: approve those one by one")
			case persistent:
				r.Mode = api.Persistent
			case ephemeral:
				r.Mode = api.Ephemeral
			}
			if cmd.Flags().Changed("limit") {
				n, err := parseLimit(limit)
				if err != nil {
					return err
				}
				r.Limit = &n
			}
			return a.approve(cmd, args, r)
		},
	}
	f := c.Flags()
	f.StringVar(&r.Name, "name", "", "host `name`, which becomes the machine's own")
	f.StringVar(&r.Image, "image", "", "`name:tag` of the image to boot")
	f.StringVar(&r.Address, "address", "", "IPv4 `address` that the DHCP server keeps for it")
	f.BoolVar(&persistent, "persistent", false, "keep the disk from boot to boot")
	f.BoolVar(&ephemeral, "ephemeral", false, "start from the image at each boot")
	f.StringVar(&limit, "limit", "", "what the disk may hold beyond the image, a `size` such as 10G, or none")
	return c
}

// approve approves one machine after the other, and stops at the first that
// cannot be.
func (a *app) approve(cmd *cobra.Command, args []string, r api.Approval) error {
	macs, err := parseMACs(args)
	if err != nil {
		return err
	}
	if _, err := netip.ParseAddr(r.Address); r.Address != "" && err != nil {
		return usage("--address %q is no IPv4 address: write one such as 192.168.1.50", r.Address)
	}
	made := []api.Machine{}
	var b strings.Builder
	var failed error
	for _, mac := range macs {
		var m api.Machine
		if m, failed = a.client().Approve(cmd.Context(), mac, r); failed != nil {
			break
		}
		made = append(made, m)
		fmt.Fprintf(&b, "approved %s: machine %s boots %s, %s\n", mac, clean(m.Name), clean(m.Image), clean(m.Mode))
	}
	if err := a.print(made, b.String); failed == nil {
		return err
	}
	return failed
}

func (a *app) machineDismiss() *cobra.Command {
	return &cobra.Command{
		Use: "dismiss MAC…", Short: "Take machines from the list of those that wait", Args: some("MAC"),
		Long: "Take machines from the list that `bootes machine waiting` shows, such as those that have gone elsewhere. One\n" +
			"that still asks is back in it within seconds.",
		Example: "  bootes machine dismiss 52:54:00:12:34:56",
		RunE: func(cmd *cobra.Command, args []string) error {
			macs, err := parseMACs(args)
			if err != nil {
				return err
			}
			return a.removeAll(macs, func(mac string) (gone, error) {
				return gone{text: mac + " from those that wait"}, a.client().Dismiss(cmd.Context(), mac)
			})
		},
	}
}

// parseMACs reads arguments.
func parseMACs(args []string) (macs []string, err error) {
	for _, arg := range args {
		hw, err := net.ParseMAC(arg)
		if err != nil || len(hw) != 6 {
			return nil, usage("%q is no MAC address: `bootes machine waiting` lists those of machines that wait", arg)
		}
		macs = append(macs, hw.String())
	}
	return macs, nil
}
