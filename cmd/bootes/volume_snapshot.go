package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"bootes.dev/internal/api"
)

func (a *app) volumeSnapshot() *cobra.Command {
	return &cobra.Command{
		Use: "snapshot VOLUME [NAME]", Short: "Take a snapshot of a volume", Args: oneOrTwo("VOLUME"),
		Long: "Take a snapshot of a volume, at once and without copying. Without a NAME it is called by date and time.\n" +
			"One of a running machine is what the disk would be if the machine's power were cut now: systems start\n" +
			"from that. To be sure of every program's data, switch the machine off before. The snapshots of an\n" +
			"ephemeral machine go with its disk, at its next boot: `bootes volume commit` keeps a state of it.",
		Example: "  bootes volume snapshot pc01\n  bootes volume snapshot pc01 before-upgrade",
		RunE: func(cmd *cobra.Command, args []string) error {
			v, err := a.findWhole(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			name := a.now().Format("2006-01-02-150405")
			if len(args) == 2 {
				name = args[1]
			}
			s, err := a.client().Snapshot(cmd.Context(), v.ID, name)
			if err != nil {
				return err
			}
			return a.print(s, func() string { return snapshotText(v, s) })
		},
	}
}

func snapshotText(v place, s api.Snapshot) string {
	state := ""
	if s.Consistent == api.Crash {
		state = ", of a running machine: as if its power had been cut"
	}
	v.snapshot = s.Name
	text := fmt.Sprintf("snapshot %s: %s%s\n", clean(v.name()), clean(writtenText(v.Own, v.Volume)), state)
	if v.Mode == api.Ephemeral {
		return text + fmt.Sprintf("%s is ephemeral: this goes with its disk, at its next boot. To keep it: bootes volume commit %s NAME:TAG\n",
			clean(v.Machine), clean(v.name()))
	}
	if v.Mode == api.Data {
		return text + fmt.Sprintf("back to it, when no machine has it attached: bootes volume rollback %s %s\n", clean(v.volume()), clean(s.Name))
	}
	return text + fmt.Sprintf("back to it, when the machine is off: bootes volume rollback %s %s\n", clean(v.volume()), clean(s.Name))
}

// oneOrTwo wants one argument and takes a second.
func oneOrTwo(name string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) > 2 {
			return fmt.Errorf("%q is one argument too many", args[2])
		}
		return some(name)(nil, args)
	}
}

func (a *app) volumeRollback() *cobra.Command {
	return &cobra.Command{
		Use: "rollback VOLUME NAME", Short: "Take a volume back to a snapshot", Args: exactly("VOLUME", "NAME"),
		Long: "Take a volume back to a snapshot. What was written since its last snapshot is lost; all snapshots stay,\n" +
			"also later ones. The machine must be off. To keep what is there now, take a snapshot before.",
		Example: "  bootes volume rollback pc01 before-upgrade",
		RunE: func(cmd *cobra.Command, args []string) error {
			v, err := a.findWhole(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			u, err := a.client().Rollback(cmd.Context(), v.ID, args[1])
			if err != nil {
				return err
			}
			return a.print(u, func() string {
				return fmt.Sprintf("%s is back at %s\n%s", clean(v.name()), clean(args[1]), undoneText(v, u))
			})
		},
	}
}

// undoneText tells what is lost and what is kept. v is the volume as it was.
func undoneText(v place, u api.Undone) string {
	return fmt.Sprintf("lost: %s\nkept: %s\n", clean(writtenText(u.Lost, v.Volume)), snapshotNames(u.Volume))
}

func snapshotNames(v api.Volume) string {
	if len(v.Snapshots) == 0 {
		return "no snapshots"
	}
	var names []string
	for _, s := range v.Snapshots {
		names = append(names, s.Name)
	}
	return count(len(names), "snapshot") + ": " + few(names)
}

func (a *app) volumeReset() *cobra.Command {
	return &cobra.Command{
		Use: "reset VOLUME", Short: "Take a volume back to its image", Args: exactly("VOLUME"),
		Long: "Make a volume a fresh clone of what its machine boots: its image, or the one that its tag points to now.\n" +
			"What was written since its last snapshot is lost; snapshots stay. The machine must be off.",
		Example: "  bootes volume reset pc01",
		RunE: func(cmd *cobra.Command, args []string) error {
			v, err := a.findWhole(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			u, err := a.client().ResetVolume(cmd.Context(), v.ID)
			if err != nil {
				return err
			}
			return a.print(u, func() string {
				from := ""
				switch {
				case v.Image == "":
					from = ", before of no image"
				case u.Volume.Image != v.Image:
					from = ", before of " + clean(v.Image)
				}
				return fmt.Sprintf("%s is a fresh clone of %s%s\n%s", clean(v.name()), clean(u.Volume.Image), from, undoneText(v, u))
			})
		},
	}
}

func (a *app) volumeClone() *cobra.Command {
	return &cobra.Command{
		Use: "clone VOLUME[@SNAPSHOT] MACHINE", Short: "Make a volume the disk of another machine, too", Args: exactly("VOLUME", "MACHINE"),
		Long: "Make a clone of a volume, or of what it was at a snapshot, the disk of another machine, at once and\n" +
			"without copying. The two go their own ways from then on. The machine gets its own name and keys.",
		Example: "  bootes volume clone pc01 pc02\n  bootes volume clone pc01@before-upgrade pc02",
		RunE: func(cmd *cobra.Command, args []string) error {
			from, err := a.findPlace(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			v, err := a.client().CloneVolume(cmd.Context(), from.disk(), args[1])
			if err != nil {
				return err
			}
			return a.print(v, func() string {
				return fmt.Sprintf("volume %s, a clone of %s, is the disk of %s from its next boot on\n", clean(v.ID), clean(from.name()), clean(v.Machine))
			})
		},
	}
}
