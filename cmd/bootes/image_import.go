package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"bootes.dev/internal/api"
)

func (a *app) imageImport() *cobra.Command {
	var identity bool
	c := &cobra.Command{
		Use: "import NAME:TAG FILE", Short: "Make an image of a disk image file", Args: exactly("NAME:TAG", "FILE"),
		Long: "Make an image of a disk image file: raw, or through the program qemu-img qcow2, VMDK, VHD and VHDX.\n" +
			"An import that fails or is interrupted leaves nothing.",
		Example: "  bootes image import debian:12 debian-12.qcow2\n  bootes image import pc:2026-01 /srv/pc.raw -o json",
		RunE: func(cmd *cobra.Command, args []string) error {
			source, err := filepath.Abs(args[1])
			if err != nil {
				return fmt.Errorf("import %q: %w", args[1], err)
			}
			i, err := a.importFile(cmd.Context(), args[0], args[1], source, identity)
			if err != nil {
				return err
			}
			return a.print(i, func() string { return a.imported(i) })
		},
	}
	c.Flags().BoolVar(&identity, "identity", false,
		"the image takes its identity from Boötes: \"image build --output\" made it")
	return c
}

// importFile opens the file with this user's rights and passes it on; source
// is what it will be called.
func (a *app) importFile(ctx context.Context, ref, path, source string, identity bool) (api.Image, error) {
	// Without O_NONBLOCK, opening a pipe would wait for its other end.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrPermission) {
		return api.Image{}, fmt.Errorf("import: %w: run it as a user who may read the file", err)
	}
	if err != nil {
		return api.Image{}, fmt.Errorf("import: %w", err)
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
		return api.Image{}, usage("import %q: it is not a regular file", path)
	}
	p := a.progress("importing " + ref)
	defer p.end()
	return a.client().Import(ctx, f, api.ImportRequest{Ref: ref, Source: source, Identity: identity}, p.update)
}

func (a *app) imported(i api.Image) string {
	return fmt.Sprintf("imported %s: %s, %s stored, %s\n", clean(i.Ref), bytesText(i.Size), bytesText(i.Stored), clean(shortDigest(i.Digest)))
}
