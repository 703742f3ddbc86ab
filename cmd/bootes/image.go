package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"bootes.dev/internal/api"
	"bootes.dev/internal/bytesize"
)

func (a *app) imageCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "image",
		Short: "Golden images: build, import, update, publish, tag, list, show, verify, export, remove",
		Long: "A golden image is an immutable disk, name:tag, that any number of machines boot clones of. A tag is a\n" +
			"name like an image's that points to one and can be moved: machines that boot it follow.",
		Example: "  bootes image build debian:12\n  bootes image update debian:12 --machine pc01\n  bootes image list",
	}
	c.AddCommand(a.imageBuild(), a.imageImport(), a.imageExport(), a.imageList(), a.imageShow(), a.imageHistory(), a.imageVerify(), a.imageCheck(),
		a.imageTag(), a.imageUpdate(), a.imagePublish(), a.imageFlatten(), a.imageTrace(), a.imageFiles(), a.imageCat(), a.imageRemove())
	return group(c)
}

func (a *app) imageList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List images", Args: exactly(),
		Example: "  bootes image list\n  bootes image list -o json",
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.listImages(cmd.Context()) },
	}
}

func (a *app) listImages(ctx context.Context) error {
	images, err := a.client().Images(ctx)
	if err != nil {
		return err
	}
	return a.print(images, func() string { return a.imageTable(images) })
}

func (a *app) imageTable(images []api.Image) string {
	if len(images) == 0 {
		return "no images yet: `bootes image build debian:12` makes one, `bootes image import` takes one in\n"
	}
	t := newTable("IMAGE", "TAGS", ">SIZE", ">STORED", "DIGEST", "CREATED")
	for _, i := range images {
		t.row(i.Ref, dash(strings.Join(i.Tags, ",")), bytesize.Format(i.Size), bytesize.Format(i.Stored), dash(shortDigest(i.Digest)), ago(a.now(), i.Created))
	}
	if !slices.ContainsFunc(images, func(i api.Image) bool { return len(i.Tags) > 0 }) {
		t.drop("TAGS")
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
		Use: "show IMAGE", Short: "Show an image, named by itself or by a tag", Args: exactly("IMAGE"),
		Example: "  bootes image show debian:12\n  bootes image show debian:stable -o json",
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
	digest, own := i.Digest, ""
	if digest == "" && !i.Hashed {
		digest = "still being made"
	}
	if i.Parent != "" {
		own = bytesize.Format(i.Own) + ", the rest is of " + i.Parent
	}
	kind := ""
	if i.Kind == api.CDROM {
		kind, identity = "CD-ROM: machines get it beside their disk, by `bootes machine attach`", ""
	}
	return sheet(
		"image", i.Ref,
		"kind", kind,
		"tags", strings.Join(i.Tags, ", "),
		"digest", digest,
		"layer", i.Layer,
		"size", bytesize.Format(i.Size),
		"stored", bytesize.Format(i.Stored),
		"own", own,
		"source", i.Source,
		"identity", identity,
		"created", when(a.now(), i.Created))
}

func (a *app) imageRemove() *cobra.Command {
	return &cobra.Command{
		Use: "rm IMAGE…", Short: "Remove images and tags", Args: some("IMAGE"),
		Long: "Remove images and tags. A tag goes alone, its image stays. An image that something depends on is not\n" +
			"removed: a machine that boots it, a volume that is a clone of it, a tag that points to it, an image built on it.\n" +
			"layer:ID removes a layer that belongs to no image, as the server reports at its start.",
		Example: "  bootes image rm debian:11\n  bootes image rm debian:testing",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.removeAll(args, func(ref string) (gone, error) { return a.removeRef(cmd.Context(), ref) })
		},
	}
}

// removeRef removes an image or a tag: they share their names.
func (a *app) removeRef(ctx context.Context, ref string) (gone, error) {
	tags, err := a.client().Tags(ctx)
	if err != nil {
		return gone{}, err
	}
	for _, t := range tags {
		if t.Ref == ref {
			return gone{text: fmt.Sprintf("tag %s: its image %s stays", ref, t.Image)}, a.client().RemoveTag(ctx, ref)
		}
	}
	return gone{text: "image " + ref}, a.client().RemoveImage(ctx, ref)
}
