package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"bootes.dev/internal/api"
)

func (a *app) machineCredentials() *cobra.Command {
	var fresh, revoke bool
	var initiator string
	c := &cobra.Command{
		Use: "credentials NAME", Short: "What a machine's firmware or HBA logs in by", Args: exactly("NAME"),
		Long: "Firmware and HBAs with iSCSI of their own log in without a script. --new makes static credentials for\n" +
			"them and shows, once, all that is to be typed in; those of before end. --revoke ends them and their\n" +
			"sessions. Without either, what there is is shown without the secrets.\n\n" +
			"They open the disk that the machine's next boot would have, unless a system that the machine has booted\n" +
			"runs from it; a boot of the machine takes it back. An initiator that logs in again at once, as most do,\n" +
			"takes it from that boot before its system runs: log out there first. The disk writes through from then\n" +
			"on. Type them into that machine only.",
		Example: "  bootes machine credentials pc01 --new\n" +
			"  bootes machine credentials pc01 --new --initiator iqn.2000-04.com.qlogic:pc01\n" +
			"  bootes machine credentials pc01 --revoke",
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case fresh && revoke:
				return usage("--new and --revoke exclude each other: give one")
			case initiator != "" && !fresh:
				return usage("--initiator goes with --new: the name that the firmware or HBA has already")
			case revoke:
				return a.revokeCredentials(cmd, args[0])
			}
			if fresh {
				return a.newCredentials(cmd, args[0], initiator)
			}
			cr, err := a.client().Credentials(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return a.print(cr, func() string { return a.credentialsSheet(cr) })
		},
	}
	c.Flags().BoolVar(&fresh, "new", false, "make them, in place of those that there are")
	c.Flags().BoolVar(&revoke, "revoke", false, "end them and their sessions")
	c.Flags().StringVar(&initiator, "initiator", "", "iSCSI `name` that the firmware or HBA has already; default: one for this machine")
	return c
}

func (a *app) newCredentials(cmd *cobra.Command, machine, initiator string) error {
	cr, err := a.client().NewCredentials(cmd.Context(), machine, api.CredentialsRequest{Initiator: initiator})
	if err != nil {
		return err
	}
	return a.print(cr, func() string {
		return a.credentialsSheet(cr) + "\nThe secrets are not shown again. `bootes machine credentials " + clean(machine) + " --revoke` ends them.\n"
	})
}

func (a *app) revokeCredentials(cmd *cobra.Command, machine string) error {
	if err := a.client().RevokeCredentials(cmd.Context(), machine); err != nil {
		return err
	}
	return a.print(struct {
		Machine string `json:"revoked"`
	}{machine}, func() string { return "revoked the static credentials of " + clean(machine) + "\n" })
}

func (a *app) credentialsSheet(c api.Credentials) string {
	held := ""
	if c.Held != nil {
		held = "since " + when(a.now(), *c.Held)
	}
	var lines []string
	for _, p := range c.Portals {
		lines = append(lines, "portal", p)
	}
	lines = append(lines,
		"target", c.Target,
		"lun", fmt.Sprint(c.LUN),
		"initiator", c.Initiator,
		"user", c.User,
		"secret", c.Secret,
		"reverse user", c.ReverseUser,
		"reverse secret", c.ReverseSecret,
	)
	for _, p := range c.RootPaths {
		lines = append(lines, "root-path", p)
	}
	return sheet(append(lines, "created", when(a.now(), c.Created), "holds the disk", held)...)
}
