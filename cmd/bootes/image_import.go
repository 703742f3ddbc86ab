package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"bootes.dev/internal/api"
)

func (a *app) imageImport() *cobra.Command {
	var identity bool
	c := &cobra.Command{
		Use: "import NAME:TAG FILE", Short: "Make an image of a disk image file or a disk", Args: exactly("NAME:TAG", "FILE"),
		Long: "Make an image of a disk image file: raw, or through the program qemu-img qcow2, VMDK, VHD and VHDX;\n" +
			"or of a whole disk. An import that fails or is interrupted leaves nothing.",
		Example: "  bootes image import debian:12 debian-12.qcow2\n  bootes image import pc:2026-01 /dev/sdb",
		RunE: func(cmd *cobra.Command, args []string) error {
			i, err := a.importFile(cmd.Context(), args[0], args[1], identity)
			if err != nil {
				return err
			}
			return a.print(i, func() string { return a.imported(i) })
		},
	}
	c.Flags().BoolVar(&identity, "identity", false,
		"the image was made by `bootes image build --output`: machines get their identity from Boötes")
	return c
}

// importFile opens the file with this user's rights and passes it on.
func (a *app) importFile(ctx context.Context, ref, path string, identity bool) (api.Image, error) {
	source, err := filepath.Abs(path)
	if err != nil {
		return api.Image{}, fmt.Errorf("import %q: %w", path, err)
	}
	f, err := os.Open(path)
	if err != nil {
		return api.Image{}, fmt.Errorf("import: %w", err)
	}
	defer f.Close()
	p := a.progress("importing " + ref)
	defer p.end()
	return a.client().Import(ctx, f, api.ImportRequest{Ref: ref, Source: source, Identity: identity}, p.update)
}

func (a *app) imported(i api.Image) string {
	return fmt.Sprintf("imported %s: %s, %s stored, %s\n", clean(i.Ref), bytesText(i.Size), bytesText(i.Stored), clean(shortDigest(i.Digest)))
}
