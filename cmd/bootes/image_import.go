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
	"bootes.dev/internal/bytesize"
)

func (a *app) imageImport() *cobra.Command {
	var identity, cdrom bool
	var base string
	c := &cobra.Command{
		Use: "import NAME:TAG FILE", Short: "Make an image of a disk image file", Args: exactly("NAME:TAG", "FILE"),
		Long: "Make an image of a disk image file: raw, or through the program qemu-img qcow2, VMDK, VHD and VHDX.\n" +
			"With --base only the 4 KiB blocks that differ from that image are stored. With --cdrom the file is that of an\n" +
			"optical disc (ISO 9660, UDF): machines get it as a CD-ROM drive by `bootes machine attach`, and boot\n" +
			"nothing of it. An import that fails or is interrupted leaves nothing.",
		Example: "  bootes image import tools:1 tools.iso --cdrom\n  bootes image import debian:12 debian-12.qcow2\n  bootes image import debian:13 debian-13.raw --base debian:12",
		RunE: func(cmd *cobra.Command, args []string) error {
			if cdrom && identity {
				return usage("--cdrom and --identity exclude each other: no machine boots from a CD-ROM here")
			}
			source, err := filepath.Abs(args[1])
			if err != nil {
				return fmt.Errorf("import %q: %w", args[1], err)
			}
			i, err := a.importFile(cmd.Context(), args[1], api.ImportRequest{Ref: args[0], Source: source, Base: base, Identity: identity, CDROM: cdrom})
			if err != nil {
				return err
			}
			return a.print(i, func() string { return a.imported(i) })
		},
	}
	c.Flags().BoolVar(&identity, "identity", false,
		"the image takes its identity from Boötes: \"image build --output\" made it")
	c.Flags().BoolVar(&cdrom, "cdrom", false, "it is the image of an optical disc, not of a disk")
	c.Flags().StringVar(&base, "base", "", "`image` to store only the difference to")
	return c
}

// importFile opens the file with this user's rights and passes it on.
func (a *app) importFile(ctx context.Context, path string, req api.ImportRequest) (api.Image, error) {
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
	p := a.progress("importing " + req.Ref)
	defer p.end()
	return a.client().Import(ctx, f, req, p.update)
}

func (a *app) imported(i api.Image) string {
	on := ""
	if i.Parent != "" {
		on = " on top of " + clean(i.Parent)
	}
	digest := "its digest follows"
	if i.Digest != "" {
		digest = clean(shortDigest(i.Digest))
	}
	return fmt.Sprintf("imported %s: %s, %s stored%s, %s\n", clean(i.Ref), bytesize.Format(i.Size), bytesize.Format(i.Stored), on, digest)
}
