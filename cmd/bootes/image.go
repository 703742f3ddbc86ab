package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"bootes.dev/internal/api"
)

func (a *app) imageCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "image",
		Short:   "Golden images: build, import, list, show, remove",
		Long:    "A golden image is an immutable disk, name:tag, that any number of machines boot clones of.",
		Example: "  bootes image build debian:12\n  bootes image list",
	}
	c.AddCommand(a.imageBuild(), a.imageImport(), a.imageList(), a.imageShow(), a.imageRemove())
	return group(c)
}

func (a *app) imageList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List images", Args: exactly(),
		Example: "  bootes image list\n  bootes image list -o json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			images, err := a.client().Images(cmd.Context())
			if err != nil {
				return err
			}
			return a.print(images, func() string { return a.imageTable(images) })
		},
	}
}

func (a *app) imageTable(images []api.Image) string {
	if len(images) == 0 {
		return "no images yet: `bootes image build debian:12` makes one, `bootes image import` takes one in\n"
	}
	t := newTable("IMAGE", ">SIZE", ">STORED", "DIGEST", "CREATED")
	for _, i := range images {
		t.row(i.Ref, bytesText(i.Size), bytesText(i.Stored), dash(shortDigest(i.Digest)), ago(a.now(), i.Created))
	}
	return t.String()
}

func shortDigest(d string) string {
	algorithm, hex, ok := strings.Cut(d, ":")
	if !ok || len(hex) <= 12 {
		return d
	}
	return algorithm + ":" + hex[:12]
}

func (a *app) imageShow() *cobra.Command {
	return &cobra.Command{
		Use: "show NAME:TAG", Short: "Show an image", Args: exactly("NAME:TAG"),
		Example: "  bootes image show debian:12",
		RunE: func(cmd *cobra.Command, args []string) error {
			i, err := a.client().Image(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return a.print(i, func() string { return a.imageSheet(i) })
		},
	}
}

func (a *app) imageSheet(i api.Image) string {
	identity := "its own: a clone keeps what the image has"
	if i.Identity {
		identity = "from Boötes: each machine gets its name, machine-id and host keys"
	}
	return sheet(
		"image", i.Ref,
		"digest", i.Digest,
		"layer", i.Layer,
		"size", bytesText(i.Size),
		"stored", bytesText(i.Stored),
		"source", i.Source,
		"identity", identity,
		"created", when(a.now(), i.Created))
}

func (a *app) imageRemove() *cobra.Command {
	return &cobra.Command{
		Use: "rm NAME:TAG…", Short: "Remove images", Args: some("NAME:TAG"),
		Long:    "Remove images. One that a machine boots or a volume is a clone of is not removed.",
		Example: "  bootes image rm debian:11",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.removeAll("image", args, func(ref string) error { return a.client().RemoveImage(cmd.Context(), ref) })
		},
	}
}

type removed struct {
	Removed []string `json:"removed"`
}

// removeAll removes one thing after the other, stops at the first that
// cannot be, and says what is gone.
func (a *app) removeAll(what string, names []string, remove func(string) error) error {
	r := removed{Removed: []string{}}
	var failed error
	for _, name := range names {
		if failed = remove(name); failed != nil {
			break
		}
		r.Removed = append(r.Removed, name)
	}
	err := a.print(r, func() string {
		var b strings.Builder
		for _, name := range r.Removed {
			fmt.Fprintf(&b, "removed %s %s\n", what, clean(name))
		}
		return b.String()
	})
	if failed != nil {
		return failed
	}
	return err
}
