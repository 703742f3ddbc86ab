package main

import (
	"github.com/spf13/cobra"

	"bootes.dev/internal/api"
)

func (a *app) leaseCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "lease", Short: "Addresses that DHCP has given: list, remove",
		Long: "A lease is an address that was given to a network card for a time. It stays on record after that, so that\n" +
			"its owner finds it again, until another needs it.",
		Example: "  bootes lease ls\n  bootes lease rm 192.168.1.150",
	}
	c.AddCommand(a.leaseList(), a.leaseRemove())
	return group(c)
}

func (a *app) leaseList() *cobra.Command {
	return &cobra.Command{
		Use: "ls", Aliases: []string{"list"}, Short: "List the addresses that DHCP has given", Args: exactly(),
		Long: "List the addresses that DHCP has given, in their order. offered: held for a minute, until the client asks for\n" +
			"it. bound: its client's, until then. expired: still its client's if nobody else needs it. declined: in use by a\n" +
			"device that has it from elsewhere, so that nobody is given it until then.",
		Example: "  bootes lease ls\n  bootes lease ls -o json | jq -r '.[] | select(.machine == \"pc01\") | .address'",
		RunE: func(cmd *cobra.Command, _ []string) error {
			l, err := a.client().Leases(cmd.Context())
			if err != nil {
				return err
			}
			return a.print(l, func() string { return leasesText(l) })
		},
	}
}

func leasesText(all []api.Lease) string {
	t := newTable("ADDRESS", "MAC", "MACHINE", "HOST NAME", "STATE", "NETWORK", "UNTIL")
	for _, l := range all {
		t.row(l.Address, dash(l.MAC), dash(l.Machine), dash(l.Hostname), l.State, l.Network, l.Expires.Local().Format("2006-01-02 15:04:05"))
	}
	return t.String()
}

func (a *app) leaseRemove() *cobra.Command {
	var force bool
	c := &cobra.Command{
		Use: "rm ADDRESS…", Short: "Forget who has an address", Args: some("ADDRESS"),
		Long: "Forget who has an address, or that it was found in use, so that others can be given it. --force is for a\n" +
			"client that is off for certain though its lease lasts: while it uses the address, another may get it.",
		Example: "  bootes lease rm 192.168.1.150\n  bootes lease rm 192.168.1.150 --force",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.removeAll(args, func(address string) (gone, error) {
				return gone{text: "lease of " + address}, a.client().RemoveLease(cmd.Context(), address, force)
			})
		},
	}
	c.Flags().BoolVar(&force, "force", false, "also while its client has it")
	return c
}
