package main

import (
	"github.com/spf13/cobra"

	"bootes.dev/internal/api"
)

func (a *app) dhcpStatusCommand() *cobra.Command {
	return &cobra.Command{
		Use: "dhcp-status", Short: "Show what is done with DHCP on each interface, and who else answers there", Args: exactly(),
		Long: "Show what is done with DHCP on each interface, and the other DHCP servers of its network: those that\n" +
			"answer the probe that is made every three minutes, or were noticed by what they or their clients send.",
		Example: "  bootes dhcp-status\n  bootes dhcp-status -o json | jq '.[].others[] | select(.unexpected)'",
		RunE: func(cmd *cobra.Command, _ []string) error {
			all, err := a.client().DHCP(cmd.Context())
			if err != nil {
				return err
			}
			return a.print(all, func() string { return a.dhcpText(all) })
		},
	}
}

func (a *app) dhcpText(all []api.DHCPStatus) string {
	ours := newTable("INTERFACE", "DHCP", "ADDRESS")
	others := newTable("INTERFACE", "SERVER", "KIND", "MAC", "SINCE", "LAST HEARD", "STATE", "BOOTS")
	some := false
	for _, s := range all {
		ours.row(s.Interface, s.Mode, dash(s.Address))
		for _, o := range s.Others {
			some = true
			boots := dash(o.BootFile)
			if o.NextServer != "" && o.BootFile != "" {
				boots += " from " + o.NextServer
			}
			others.row(s.Interface, o.Server, o.Kind, dash(o.MAC), ago(a.now(), o.Since), ago(a.now(), o.Last), stateOf(o), boots)
		}
	}
	if !some {
		return ours.String() + "\nno other DHCP server has been noticed\n"
	}
	return ours.String() + "\nother DHCP servers:\n" + others.String()
}

func stateOf(o api.DHCPServer) string {
	switch {
	case o.Gone:
		return "gone"
	case o.Unexpected:
		return "unexpected"
	}
	return "there"
}
