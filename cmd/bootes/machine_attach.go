package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"bootes.dev/internal/api"
)

func (a *app) machineAttach() *cobra.Command {
	var r api.AttachRequest
	c := &cobra.Command{
		Use: "attach MACHINE", Short: "Give a machine a volume or an image beside its own disk", Args: exactly("MACHINE"),
		Long: "Give a machine a volume that `bootes volume create` has made, as a second disk, or an image, as one that it\n" +
			"cannot write to; an image of an ISO file is a CD-ROM drive with that disc. It is there at once, also in a\n" +
			"machine that runs: its system finds it when it looks for new disks. It stays until it is detached. A\n" +
			"volume is one machine's, unless it is shared; an image any number of machines may have.",
		Example: "  bootes machine attach pc01 --volume data1\n  bootes machine attach pc01 --image tools:1 --lun 9",
		RunE: func(cmd *cobra.Command, args []string) error {
			switch given := cmd.Flags().Changed; {
			case (r.Volume == "") == (r.Image == ""):
				return usage("attach to %q: give --volume or --image, one of them", args[0])
			case given("lun") && (r.LUN < 2 || r.LUN > 254):
				return usage("--lun %d: it is a number from 2 to 254: 0 is the machine's own disk, 1 its identity", r.LUN)
			}
			made, err := a.client().Attach(cmd.Context(), args[0], r)
			if err != nil {
				return err
			}
			return a.print(made, func() string { return attachedText(made) })
		},
	}
	f := c.Flags()
	f.StringVar(&r.Volume, "volume", "", "`name` of a data volume")
	f.StringVar(&r.Image, "image", "", "`name:tag` of an image, or a tag: what that points to now")
	f.Uint8Var(&r.LUN, "lun", 0, "logical unit `number`, 2 to 254 (default: the first that is free)")
	f.BoolVar(&r.ReadOnly, "read-only", false, "the machine may not write to the volume")
	return c
}

// what names a thing attached.
func what(a api.Attachment) string {
	text := "volume " + a.Volume
	if a.Volume == "" {
		text = "image " + a.Image
	}
	return clean(text)
}

func attachedText(a api.Attached) string {
	kind := "a disk"
	if a.Kind == api.CDROM {
		kind = "a CD-ROM drive"
	}
	if a.ReadOnly && a.Kind != api.CDROM {
		kind += ", read-only"
	}
	text := fmt.Sprintf("%s is LUN %d of %s: %s\n", what(a.Attachment), a.LUN, clean(a.Machine), kind)
	if !a.Live {
		return text + clean(a.Machine) + " does not run: it has it from its next boot on\n"
	}
	return text + clean(a.Machine) + " runs, and finds it by: iscsiadm -m session --rescan\n" +
		"  (or, for the disk it boots from: for h in /sys/class/scsi_host/*/scan; do echo \"- - -\" >$h; done)\n"
}

func (a *app) machineDetach() *cobra.Command {
	var lun uint8
	var force bool
	c := &cobra.Command{
		Use: "detach MACHINE --lun N", Short: "Take a volume or an image away from a machine", Args: exactly("MACHINE"),
		Long: "Take away what `bootes machine attach` gave; `bootes machine show` lists it. The volume stays as it is, for\n" +
			"another machine. The server cannot see what a running machine has mounted: a disk that it can write to\n" +
			"is only taken from it by --force. Before, unmount it there, or what was not written yet is lost.",
		Example: "  bootes machine detach pc01 --lun 2\n  bootes machine detach pc01 --lun 2 --force",
		RunE: func(cmd *cobra.Command, args []string) error {
			if !cmd.Flags().Changed("lun") {
				return usage("detach from %q: --lun is missing: `bootes machine show %s` lists what it has", args[0], args[0])
			}
			gone, err := a.client().Detach(cmd.Context(), args[0], lun, force)
			if err != nil {
				return err
			}
			return a.print(gone, func() string { return detachedText(gone) })
		},
	}
	c.Flags().Uint8Var(&lun, "lun", 0, "logical unit `number`")
	c.Flags().BoolVar(&force, "force", false, "also a disk that a running machine can write to: it is unmounted there")
	return c
}

func detachedText(a api.Attached) string {
	text := fmt.Sprintf("%s is no disk of %s any more\n", what(a.Attachment), clean(a.Machine))
	if a.Live {
		text += fmt.Sprintf("%s runs, and forgets it by: echo 1 >/sys/block/NAME/device/delete\n", clean(a.Machine))
	}
	return text
}

// diskLines are what a machine has beside its own disk, for a sheet.
func diskLines(disks []api.Attachment) (lines []string) {
	for _, d := range disks {
		text := what(d)
		if d.Volume != "" && d.ReadOnly {
			text += ", read-only"
		}
		lines = append(lines, fmt.Sprintf("lun %d", d.LUN), text)
	}
	return lines
}
