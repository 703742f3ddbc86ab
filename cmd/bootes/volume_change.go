package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"bootes.dev/internal/api"
	"bootes.dev/internal/bytesize"
)

func (a *app) volumeResize() *cobra.Command {
	var shrink bool
	c := &cobra.Command{
		Use: "resize VOLUME SIZE", Short: "Change the size of a volume", Args: exactly("VOLUME", "SIZE"),
		Long: "Change the size of the disk that a machine sees. To grow it is done at once; a machine that runs sees it\n" +
			"when it looks again (iscsiadm -m session --rescan), or at its next boot. What lies beyond the end of a\n" +
			"smaller disk is lost: --shrink allows that, and the machine must be off, or a data volume detached.\n" +
			"Partitions and file systems are not changed: shrink them before, grow them after.",
		Example: "  bootes volume resize pc01 64G\n  bootes volume resize pc01 16G --shrink",
		RunE: func(cmd *cobra.Command, args []string) error {
			size, err := diskSize(args[1])
			if err != nil {
				return err
			}
			before, err := a.findWhole(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if size < before.Size && !shrink { // the server refuses it too, in bytes
				return withCode(exitRefused, fmt.Errorf("%s has %s: to make it smaller, to %s, throws away what lies beyond: --shrink allows it",
					before.name(), bytesize.Format(before.Size), bytesize.Format(size)))
			}
			v, err := a.client().ResizeVolume(cmd.Context(), before.ID, size, shrink)
			if err != nil {
				return err
			}
			return a.print(v, func() string { return resizedText(before, v) })
		},
	}
	c.Flags().BoolVar(&shrink, "shrink", false, "it may become smaller: what lies beyond its new end is lost")
	return c
}

func resizedText(before place, v api.Volume) string {
	text := fmt.Sprintf("%s has %s, before %s", clean(before.name()), bytesize.Format(v.Size), bytesize.Format(before.Size))
	switch {
	case v.Size > before.Size:
		text += ": its system can now grow its partition and file system"
	case v.Size < before.Size:
		text += fmt.Sprintf(": the last %s are lost; snapshots have their own sizes", bytesize.Format(before.Size-v.Size))
	}
	return text + "\n"
}

func onOff(b bool) string {
	if b {
		return "on"
	}
	return "off"
}

func (a *app) volumeFlatten() *cobra.Command {
	return &cobra.Command{
		Use: "flatten VOLUME", Short: "Copy into a volume what it has from its image", Args: exactly("VOLUME"),
		Long: "Copy into a volume what it has from its image and from the snapshots below it, so that it depends on\n" +
			"none of them, and the image may be removed. Its contents stay as they are, its machine may run. Its\n" +
			"snapshots stay, too, and stand on the image still. It takes space: what was shared is there twice.",
		Example: "  bootes volume flatten pc01",
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := a.findWhole(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			v, err := track(a, "flattening "+p.name(), func(progress func(api.Progress)) (api.Volume, error) {
				return a.client().FlattenVolume(cmd.Context(), p.ID, progress)
			})
			if err != nil {
				return err
			}
			return a.print(v, func() string { return flattenedText(p, v) })
		},
	}
}

func flattenedText(p place, v api.Volume) string {
	text := fmt.Sprintf("flattened %s: it stands alone, on no image, and takes %s\n", clean(p.name()), bytesize.Format(v.Stored))
	if v.Image != "" { // it was committed meanwhile
		text = fmt.Sprintf("flattened %s: it stands on %s and takes %s\n", clean(p.name()), clean(v.Image), bytesize.Format(v.Stored))
	}
	if len(v.Snapshots) > 0 {
		text += "as before, with what they stand on: " + snapshotNames(v) + "\n"
	}
	return text
}
