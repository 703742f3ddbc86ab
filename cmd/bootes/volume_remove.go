package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"bootes.dev/internal/bytesize"
)

func (a *app) volumeRemove() *cobra.Command {
	var force bool
	c := &cobra.Command{
		Use: "rm VOLUME[@SNAPSHOT]…", Short: "Remove volumes or snapshots; a machine without a volume starts from its image", Args: some("VOLUME"),
		Long: "Remove volumes or snapshots. With a volume all that was written to it is lost, and its snapshots; its\n" +
			"machine starts again from the image. With a snapshot only that state of the disk is lost. A volume that\n" +
			"is open is not removed: switch its machine off first; a data volume is detached first.\n" +
			"--force is for a machine that is off for certain though the server still thinks that it runs: one that\n" +
			"runs loses its disk under its feet.",
		Example: "  bootes volume rm pc01\n  bootes volume rm pc01@before-upgrade\n  bootes volume rm pc01 --force",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.removeAll(args, func(name string) (gone, error) { return a.removePlace(cmd.Context(), name, force) })
		},
	}
	c.Flags().BoolVar(&force, "force", false, "also if its machine seems to run")
	return c
}

func (a *app) removePlace(ctx context.Context, name string, force bool) (gone, error) {
	p, err := a.findPlace(ctx, name)
	switch {
	case err != nil:
		return gone{}, err
	case p.snapshot != "":
		return gone{text: fmt.Sprintf("snapshot %s: the disk stays as it is", p.name())}, a.client().RemoveSnapshot(ctx, p.ID, p.snapshot)
	case force:
		return removedVolume(p), a.client().ForceRemoveVolume(ctx, p.ID)
	}
	return removedVolume(p), a.client().RemoveVolume(ctx, p.ID)
}

func removedVolume(p place) gone {
	lost := bytesize.Format(p.Private) + " that only it had"
	if n := len(p.Snapshots); n > 0 {
		lost += ", with " + count(n, "snapshot")
	}
	name := p.ID
	if p.Machine != "" {
		name += " of " + p.Machine
	}
	return gone{text: fmt.Sprintf("volume %s: lost %s", name, lost), lost: p.Private}
}
