package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"bootes.dev/internal/api"
	"bootes.dev/internal/bytesize"
)

func (a *app) imageUpdate() *cobra.Command {
	var machine, cancel string
	c := &cobra.Command{
		Use: "update IMAGE --machine MACHINE", Short: "Let a machine boot a writable copy of an image, to make the next one",
		Long: "Let a machine boot a writable copy of an image instead of its own disk, to make the next image: reboot\n" +
			"it, change what is to be changed on it, switch it off, then `bootes image publish`. The copy stays from boot\n" +
			"to boot and has no identity of the machine. The machine's own disk is not touched. --cancel throws the\n" +
			"copy away: what was written to it is lost.",
		Example: "  bootes image update debian:12 --machine pc01\n  bootes image update --cancel pc01",
		Args: func(_ *cobra.Command, args []string) error {
			switch {
			case cancel != "" && (len(args) > 0 || machine != ""):
				return fmt.Errorf("--cancel goes alone, with the machine's name: bootes image update --cancel %s", cancel)
			case cancel != "":
				return nil
			case len(args) == 1 && machine == "":
				return fmt.Errorf("--machine is missing: the one to boot it on, such as --machine pc01")
			}
			return exactly("IMAGE")(nil, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if cancel != "" {
				return a.cancelUpdate(cmd.Context(), cancel)
			}
			u, err := a.client().StartUpdate(cmd.Context(), machine, args[0])
			if err != nil {
				return err
			}
			return a.print(u, func() string { return a.updateStarted(cmd.Context(), u, args[0]) })
		},
	}
	c.Flags().StringVar(&machine, "machine", "", "`machine` to boot it on")
	c.Flags().StringVar(&cancel, "cancel", "", "end the update of this `machine` without an image")
	return c
}

// updateStarted tells what to do next. asked is the image or tag that the
// user named.
func (a *app) updateStarted(ctx context.Context, u api.Update, asked string) string {
	images, err := a.client().Images(ctx)
	if err != nil {
		images = nil // they only make the example better
	}
	tag := ""
	for _, i := range images {
		if i.Ref == u.Image && len(i.Tags) > 0 {
			tag = i.Tags[0]
			if slices.Contains(i.Tags, asked) {
				tag = asked
			}
		}
	}
	next := fmt.Sprintf("bootes image publish %s %s", u.Machine, nextRef(u.Image, images))
	if tag != "" {
		next += " --tag " + tag
	}
	return fmt.Sprintf("reboot %s: it starts on a writable copy of %s, kept until it is published\n"+
		"change it, switch it off, then: %s\n"+
		"or give it up: bootes image update --cancel %s\n", clean(u.Machine), clean(u.Image), clean(next), clean(u.Machine))
}

// nextRef makes up a name for the image after ref: the number at its end
// counted up until it is free.
func nextRef(ref string, taken []api.Image) string {
	stem := strings.TrimRight(ref, "0123456789")
	digits := ref[len(stem):]
	n, err := strconv.ParseUint(digits, 10, 32)
	if err != nil {
		stem, digits, n = ref+"-", "", 1
	}
	for {
		n++
		next := fmt.Sprintf("%s%0*d", stem, len(digits), n)
		if !slices.ContainsFunc(taken, func(i api.Image) bool { return i.Ref == next || slices.Contains(i.Tags, next) }) {
			return next
		}
	}
}

func (a *app) cancelUpdate(ctx context.Context, machine string) error {
	u, err := a.client().CancelUpdate(ctx, machine)
	if err != nil {
		return err
	}
	return a.print(u, func() string {
		return fmt.Sprintf("the update of %s on %s is given up: %s written to its copy are lost; %s boots its own disk again\n",
			clean(u.Image), clean(u.Machine), bytesize.Format(u.Written), clean(u.Machine))
	})
}

func (a *app) imagePublish() *cobra.Command {
	var tag string
	var running bool
	c := &cobra.Command{
		Use: "publish MACHINE NAME:TAG", Short: "Make an image of what a machine in update mode has become", Args: exactly("MACHINE", "NAME:TAG"),
		Long: "Make an image of the writable copy that a machine boots since `bootes image update`, at once and without\n" +
			"copying. The machine must be off, or --running takes its disk as if its power had been cut. With --tag\n" +
			"a tag then points to the new image. The machine boots its own disk again from its next boot on.",
		Example: "  bootes image publish pc01 debian:13 --tag debian:stable",
		RunE: func(cmd *cobra.Command, args []string) error {
			n, err := a.client().Publish(cmd.Context(), args[0], api.Publish{Ref: args[1], Tag: tag, Running: running})
			if err != nil {
				return err
			}
			return a.print(n, func() string {
				return "published " + a.newImage(cmd.Context(), n) + clean(args[0]) + " boots its own disk again from its next boot on\n"
			})
		},
	}
	c.Flags().StringVar(&tag, "tag", "", "`tag` to point to the new image then")
	c.Flags().BoolVar(&running, "running", false, "also if the machine is not off")
	return c
}

// newImage tells of an image that was made of a volume.
func (a *app) newImage(ctx context.Context, n api.NewImage) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s, %s of its own", clean(n.Ref), bytesize.Format(n.Size), bytesize.Format(n.Own))
	if n.Parent != "" {
		fmt.Fprintf(&b, " on top of %s", clean(n.Parent))
	}
	b.WriteByte('\n')
	if n.Consistent == api.Crash {
		b.WriteString("it was taken of a running machine: as if its power had been cut at that moment\n")
	}
	if n.IdentityOf != "" {
		fmt.Fprintf(&b, "inside are the SSH host keys and the machine-id of %s: whoever runs a clone can read them; `bootes image update` makes an image without\n", clean(n.IdentityOf))
	}
	if n.Moved != nil {
		b.WriteString(a.tagged(ctx, *n.Moved))
	} else {
		fmt.Fprintf(&b, "machines get it by `bootes machine set MACHINE --image %s`, or by a tag that they boot: `bootes image tag TAG %s`\n", clean(n.Ref), clean(n.Ref))
	}
	return b.String()
}
