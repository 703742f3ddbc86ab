package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"bootes.dev/internal/api"
	"bootes.dev/internal/bytesize"
)

func (a *app) imageVerify() *cobra.Command {
	return &cobra.Command{
		Use: "verify IMAGE", Short: "Read all of an image and compare it with its hashes", Args: exactly("IMAGE"),
		Long: "Read all of an image, down its whole chain, and compare it with the hashes that were made when it was\n" +
			"made. What is not as it was is named, with the layers whose files hold it; the exit code is 1 then.",
		Example: "  bootes image verify debian:12\n  bootes image verify debian:12 -o json | jq .bad",
		RunE: func(cmd *cobra.Command, args []string) error {
			v, err := track(a, "verifying "+args[0], func(progress func(api.Progress)) (api.Verified, error) {
				return a.client().VerifyImage(cmd.Context(), args[0], progress)
			})
			if err != nil {
				return err
			}
			if err := a.print(v, func() string { return verifiedText(v) }); err != nil || len(v.Bad) == 0 {
				return err
			}
			return fmt.Errorf("image %s is damaged in %s: machines that read there get errors. Import it again under another name, "+
				"or put the files of these layers back from a backup of the server", v.Ref, count(len(v.Bad), "place"))
		},
	}
}

func verifiedText(v api.Verified) string {
	if len(v.Bad) == 0 {
		return fmt.Sprintf("verified %s: all %s are as they were, %s\n", clean(v.Ref), bytesize.Format(v.Size), clean(shortDigest(v.Digest)))
	}
	t := newTable(">OFFSET", ">LENGTH", "LAYERS")
	for _, b := range v.Bad {
		t.row(fmt.Sprint(b.Offset), bytesize.Format(b.Length), strings.Join(b.Layers, ","))
	}
	return t.String()
}

func (a *app) imageFlatten() *cobra.Command {
	return &cobra.Command{
		Use: "flatten IMAGE", Short: "Make an image stand alone: merge what lies below it", Args: exactly("IMAGE"),
		Long: "Copy what an image has from the layers below it, so that it stands alone. Its contents and its clones stay\n" +
			"as they are. It takes space: what was shared with other images is there twice. The server itself merges\n" +
			"chains that have become deep; this is for an image whose base is to be removed.",
		Example: "  bootes image flatten debian:13",
		RunE: func(cmd *cobra.Command, args []string) error {
			i, err := track(a, "flattening "+args[0], func(progress func(api.Progress)) (api.Image, error) {
				return a.client().FlattenImage(cmd.Context(), args[0], progress)
			})
			if err != nil {
				return err
			}
			return a.print(i, func() string {
				return fmt.Sprintf("flattened %s: it stands on no other image and takes %s\n", clean(i.Ref), bytesize.Format(i.Stored))
			})
		},
	}
}
