package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"bootes.dev/internal/api"
	"bootes.dev/internal/bytesize"
)

func (a *app) machineCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "machine",
		Short:   "Machines: add, list, show, change, give disks, remove",
		Long:    "A machine is a computer that boots from here. It is known by the MAC addresses of its network cards.",
		Example: "  bootes machine add pc01 --mac 52:54:00:12:34:56 --image debian:12 --ephemeral\n  bootes machine list",
	}
	c.AddCommand(a.machineAdd(), a.machineList(), a.machineShow(), a.machineSet(), a.machineWaiting(), a.machineApprove(), a.machineDismiss(), a.machineCredentials(), a.machineAttach(), a.machineDetach(), a.machineRemove())
	return group(c)
}

func (a *app) machineAdd() *cobra.Command {
	var f machineFlags
	c := &cobra.Command{
		Use: "add NAME", Short: "Add a machine", Args: exactly("NAME"),
		Long: "Add a machine. The name is a host name, and becomes the machine's own. Its disk is a clone of the\n" +
			"image: kept from boot to boot (--persistent, the default), or made anew at each (--ephemeral).",
		Example: "  bootes machine add pc01 --mac 52:54:00:12:34:56 --image debian:12\n" +
			"  bootes machine add ci-7 --mac 52:54:00:00:00:07 --image debian:12 --ephemeral --limit 10G",
		RunE: func(cmd *cobra.Command, args []string) error {
			ch, err := f.change(cmd)
			switch {
			case err != nil:
				return err
			case len(ch.MACs) == 0:
				return usage("add machine %q: --mac is missing: the address of its network card, such as --mac 52:54:00:12:34:56", args[0])
			case ch.Image == nil:
				return usage("add machine %q: --image is missing: what it boots, such as --image debian:12", args[0])
			}
			m, err := a.client().AddMachine(cmd.Context(), api.NewMachine{
				Name: args[0], MACs: ch.MACs, UUID: value(ch.UUID), Serial: value(ch.Serial), Address: value(ch.Address), Image: *ch.Image,
				Mode: cmp.Or(value(ch.Mode), api.Persistent), Limit: ch.Limit, Loader: value(ch.Loader), Access: ch.Access,
			})
			if err != nil {
				return err
			}
			return a.print(m, func() string {
				return fmt.Sprintf("added machine %s: it boots %s, %s\n", clean(m.Name), clean(m.Image), clean(m.Mode))
			})
		},
	}
	f.register(c)
	return c
}

func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

func (a *app) machineSet() *cobra.Command {
	var f machineFlags
	c := &cobra.Command{
		Use: "set NAME", Short: "Change a machine", Args: exactly("NAME"),
		Long: "Change what is given, leave the rest. A machine that is running is not disturbed: another image or\n" +
			"mode counts from its next boot on, a limit of an open disk at once by `bootes volume set`.\n\n" +
			"Each boot has a secret of its own, without which nobody opens the machine's disks. --from, --initiator\n" +
			"and --lease are rules beside that, asked at each login.",
		Example: "  bootes machine set pc01 --image debian:13\n  bootes machine set pc01 --ephemeral --limit none\n" +
			"  bootes machine set pc01 --from 10.0.0.0/24,10.1.0.7 --lease\n  bootes machine set pc01 --from none --lease=false\n" +
			"  bootes machine set pc01 --loader x86_64/ipxe.efi",
		RunE: func(cmd *cobra.Command, args []string) error {
			ch, err := f.change(cmd)
			if err != nil {
				return err
			}
			m, err := a.client().SetMachine(cmd.Context(), args[0], ch)
			if err != nil {
				return err
			}
			return a.print(m, func() string { return "changed machine " + clean(m.Name) + "\n" + a.machineSheet(m) })
		},
	}
	f.register(c)
	return c
}

func (a *app) machineList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List machines and how their last boots went", Args: exactly(),
		Example: "  bootes machine list\n  bootes machine list -o json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			machines, err := a.client().Machines(cmd.Context())
			if err != nil {
				return err
			}
			return a.print(machines, func() string { return a.machineTable(machines) })
		},
	}
}

func (a *app) machineTable(machines []api.Machine) string {
	if len(machines) == 0 {
		return "no machines yet: `bootes machine add --help` shows how to add one\n"
	}
	t := newTable("MACHINE", "MAC", "IMAGE", "NEWER", "MODE", "STAGE", "LAST SEEN")
	for _, m := range machines {
		stage, seen := "-", "never"
		if b := m.LastBoot; b != nil {
			stage, seen = dash(string(b.Stage)), ago(a.now(), b.Time)
		}
		image := m.Image
		switch {
		case m.Update != nil:
			image = m.Update.Image + " (update)"
		case m.ImageGone:
			image += " (gone)"
		}
		t.row(m.Name, strings.Join(m.MACs, ","), image, dash(m.Newer), m.Mode, stage, seen)
	}
	if !slices.ContainsFunc(machines, func(m api.Machine) bool { return m.Newer != "" }) {
		t.drop("NEWER")
	}
	return t.String()
}

func (a *app) machineShow() *cobra.Command {
	return &cobra.Command{
		Use: "show NAME", Short: "Show a machine", Args: exactly("NAME"),
		Example: "  bootes machine show pc01",
		RunE: func(cmd *cobra.Command, args []string) error {
			m, err := a.client().Machine(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return a.print(m, func() string { return a.machineSheet(m) })
		},
	}
}

func (a *app) machineSheet(m api.Machine) string {
	image := m.Image
	if m.ImageGone {
		image += ", which is gone: it boots the disk that it has"
	}
	lines := []string{
		"machine", m.Name,
		"mac", strings.Join(m.MACs, ", "),
		"address", m.Address,
		"image", image,
		"newer", newer(m.Newer, m.Name),
		"update", updateText(m.Update),
		"mode", m.Mode,
		"limit", limitText(m.Limit),
		"loader", m.Loader,
		"machine-id", m.MachineID,
	}
	lines = append(lines, hardwareLines(m)...)
	lines = append(lines, accessLines(m.Access)...)
	lines = append(lines, diskLines(m.Disks)...)
	for _, k := range m.HostKeys {
		lines = append(lines, "host key", k)
	}
	lines = append(lines, "created", when(a.now(), m.Created))
	if b := m.LastBoot; b != nil {
		lines = append(lines, "last boot", when(a.now(), b.Started), "stage", string(b.Stage), "last event", b.Text)
	}
	return sheet(lines...)
}

// newer tells of the image that a machine's disk could be of.
func newer(image, machine string) string {
	if image == "" {
		return ""
	}
	return fmt.Sprintf("%s: switch it off, then `bootes volume reset %s` takes it", image, machine)
}

func updateText(u *api.Update) string {
	if u == nil {
		return ""
	}
	return fmt.Sprintf("it boots a writable copy of %s (%s written) instead of its own disk, until `bootes image publish %s NAME:TAG` or `bootes image update --cancel %s`",
		u.Image, bytesize.Format(u.Written), u.Machine, u.Machine)
}

func (a *app) machineRemove() *cobra.Command {
	return &cobra.Command{
		Use: "rm NAME…", Short: "Remove machines", Args: some("NAME"),
		Long: "Remove machines and their disks. One whose disk is open is not removed: switch it off first. Volumes that\n" +
			"were attached to it stay.",
		Example: "  bootes machine rm pc01",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.removeAll(args, func(name string) (gone, error) {
				return gone{text: "machine " + name}, a.client().RemoveMachine(cmd.Context(), name)
			})
		},
	}
}
