package main

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/spf13/cobra"

	"bootes.dev/internal/api"
	"bootes.dev/internal/config"
	"bootes.dev/internal/doctor"
	"bootes.dev/internal/netif"
)

func (a *app) doctorCommand() *cobra.Command {
	o := doctor.Options{Version: version()}
	var path string
	c := &cobra.Command{
		Use: "doctor", Short: "Look for what on this computer or its network keeps machines from booting", Args: exactly(),
		Long: "Look for what on this computer or its network keeps machines from booting: interfaces, addresses, ports that\n" +
			"other programs have, the firewall, other DHCP servers, loaders, the disk, the clock. It works before\n" +
			"anything is configured, and while the server runs. It changes nothing, and sends nothing but DHCP\n" +
			"DISCOVERs of two clients that do not exist. Run it as root: others cannot see all of it.\n\n" +
			"The exit code is 8 if anything failed; warnings alone are no failure.",
		Example: "  bootes doctor\n  bootes doctor --interface eth0\n  bootes doctor -o json | jq -r '.findings[] | select(.status != \"ok\") | .text'",
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Config, o.ConfigErr = config.Load(path)
			if o.ConfigErr != nil {
				o.Config = config.Default()
				o.Config.File = path
			}
			if err := known(o.Only); err != nil {
				return err
			}
			a.askServer(cmd, &o)
			if a.format != "json" && terminal(a.errs) {
				fmt.Fprintf(a.errs, "listening for DHCP servers for %s …\n", doctor.Listen)
			}
			all := doctor.Run(cmd.Context(), o)
			if err := cmd.Context().Err(); err != nil {
				return err
			}
			return errors.Join(a.print(examined{doctor.Worst(all), all}, func() string { return findingsText(all) }), verdict(all))
		},
	}
	f := c.Flags()
	f.StringVarP(&path, "config", "c", config.DefaultPath, "config `file`")
	f.StringVar(&o.Only, "interface", "", "look at this `interface` alone")
	return c
}

type examined struct {
	Status   doctor.Status    `json:"status"` // the worst of all
	Findings []doctor.Finding `json:"findings"`
}

func known(ifname string) error {
	if ifname == "" {
		return nil
	}
	_, err := netif.ByName(ifname)
	if errors.Is(err, netif.ErrNotExist) {
		return withCode(exitNotFound, err)
	}
	return err
}

// askServer fills in what is known of the server that runs, if one does: that of
// the config, unless --socket names another.
func (a *app) askServer(cmd *cobra.Command, o *doctor.Options) {
	if !cmd.Flags().Changed("socket") && o.ConfigErr == nil {
		a.socket = o.Config.API.Socket
	}
	st, err := a.client().Status(cmd.Context())
	var nobody *api.Unreachable
	switch {
	case err == nil:
		o.Server = &doctor.Server{Version: st.Version, PID: st.PID}
	case errors.As(err, &nobody) && !errors.Is(nobody.Err, fs.ErrPermission):
	default:
		o.Unheard = err
	}
}

// findingsText is one line for each finding, with its remedy below, under the
// names of the checks.
func findingsText(all []doctor.Finding) string {
	var b strings.Builder
	check := ""
	count := map[doctor.Status]int{}
	for _, f := range all {
		if f.Check != check {
			check = f.Check
			fmt.Fprintf(&b, "%s\n", clean(check))
		}
		count[f.Status]++
		fmt.Fprintf(&b, "  %-4s  %s\n", f.Status, clean(f.Text))
		if f.Remedy != "" {
			fmt.Fprintf(&b, "        remedy: %s\n", clean(f.Remedy))
		}
	}
	fmt.Fprintf(&b, "\nok: %d, warnings: %d, failed: %d\n", count[doctor.OK], count[doctor.Warn], count[doctor.Fail])
	return b.String()
}

// verdict is the error that findings which failed end the command with.
func verdict(all []doctor.Finding) error {
	if doctor.Worst(all) != doctor.Fail {
		return nil
	}
	return withCode(exitFaulty, errors.New("machines will not boot from here until what failed is mended"))
}
