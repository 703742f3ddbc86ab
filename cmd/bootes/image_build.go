package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"bootes.dev/internal/api"
	"bootes.dev/internal/config"
)

// buildFlags are the flags of `image build`.
type buildFlags struct {
	size, suite, mirror, passwordFile, output string
	packages, keyFiles                        []string
}

func (a *app) imageBuild() *cobra.Command {
	var f buildFlags
	c := &cobra.Command{
		Use: "build NAME:TAG", Short: "Build a Debian image that boots from the network", Args: exactly("NAME:TAG"),
		Long: "Build a Debian image that boots over iSCSI under BIOS and UEFI, and import it. It is built on this\n" +
			"computer, by root, with the programs mmdebstrap, grub-mkimage and mkfs.ext4. Without a root\n" +
			"password or SSH key, nobody can log in to its machines.",
		Example: "  bootes image build debian:12 --ssh-key ~/.ssh/id_ed25519.pub\n" +
			"  bootes image build lab:1 --size 8G --package openssh-server,htop --root-password-file pw\n" +
			"  bootes image build debian:12 --output debian-12.img",
		RunE: func(cmd *cobra.Command, args []string) error { return a.build(cmd.Context(), args[0], f) },
	}
	s := c.Flags()
	s.StringVar(&f.size, "size", "4G", "`size` of the disk")
	s.StringVar(&f.suite, "suite", "", "Debian `suite`; default: bookworm, or what the image's tag names")
	s.StringVar(&f.mirror, "mirror", "", "Debian mirror's `URL`; default: this computer's own")
	s.StringSliceVar(&f.packages, "package", nil, "Debian `package` to install besides; more than one may be given")
	s.StringVar(&f.passwordFile, "root-password-file", "", "`file` whose first line is root's password")
	s.StringArrayVar(&f.keyFiles, "ssh-key", nil, "`file` with public SSH keys that may log in as root; more than one may be given")
	s.StringVar(&f.output, "output", "", "write the disk to this raw `file` and import nothing")
	return c
}

func (a *app) build(ctx context.Context, ref string, f buildFlags) (err error) {
	return errors.New("image build: not wired yet")
}

var _ = []any{fmt.Sprint, os.Open, filepath.Abs, strings.Cut, api.Invalid, config.ParseSize}
