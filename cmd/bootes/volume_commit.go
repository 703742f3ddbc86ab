package main

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"bootes.dev/internal/api"
	"bootes.dev/internal/bytesize"
)

func (a *app) volumeCommit() *cobra.Command {
	var tag string
	c := &cobra.Command{
		Use: "commit VOLUME[@SNAPSHOT] NAME:TAG", Short: "Make an image of a volume", Args: exactly("VOLUME", "NAME:TAG"),
		Long: "Make an image of a volume, or of what it was at a snapshot, at once and without copying. The volume goes on\n" +
			"as a clone of it. The disk of a running machine is taken as if its power had been cut.\n" +
			"The machine's SSH host keys and machine-id are inside such an image: clones replace them when they boot,\n" +
			"but whoever runs one can read them. `bootes image update` makes an image without them.",
		Example: "  bootes volume commit pc01 debian:13\n  bootes volume commit pc01@before-upgrade lab:2 --tag lab:stable",
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := a.findPlace(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			n, err := a.client().Commit(cmd.Context(), p.ID, api.Commit{Snapshot: p.snapshot, Ref: args[1], Tag: tag})
			if err != nil {
				return err
			}
			return a.print(n, func() string { return "made of " + clean(p.name()) + " the image " + a.newImage(cmd.Context(), n) })
		},
	}
	c.Flags().StringVar(&tag, "tag", "", "`tag` to point to the new image then")
	return c
}

func (a *app) volumeDiff() *cobra.Command {
	return &cobra.Command{
		Use: "diff VOLUME[@SNAPSHOT]", Short: "Show how much of a volume differs from its image, and where", Args: exactly("VOLUME"),
		Long: "Show how much of a volume, or of what it was at a snapshot, differs from its image, by partition. CHANGED\n" +
			"was written, ZEROED was discarded or overwritten with zeros; both are counted in blocks of 4 KiB.",
		Example: "  bootes volume diff pc01\n  bootes volume diff pc01@before-upgrade -o json",
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := a.findPlace(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			d, err := a.client().Diff(cmd.Context(), p.disk())
			if err != nil {
				return err
			}
			return a.print(d, func() string { return diffText(p, d) })
		},
	}
}

func diffText(p place, d api.Diff) string {
	text := fmt.Sprintf("%s against %s: %s changed, %s zeroed\n", clean(p.name()), clean(d.Against), bytesize.Format(d.Changed), bytesize.Format(d.Zeroed))
	if !slices.ContainsFunc(d.Partitions, func(p api.DiffPartition) bool { return p.Number > 0 }) {
		return text // the disk has none
	}
	t := newTable(">PARTITION", "NAME", "TYPE", ">START", ">SIZE", ">CHANGED", ">ZEROED")
	for _, part := range d.Partitions {
		number, start, size := fmt.Sprint(part.Number), bytesize.Format(part.Start), bytesize.Format(part.Size)
		if part.Number == 0 { // here and there
			number, start, size = "outside", "-", "-"
		}
		t.row(number, dash(part.Name), dash(part.Type), start, size, bytesize.Format(part.Changed), bytesize.Format(part.Zeroed))
	}
	return text + t.String()
}
