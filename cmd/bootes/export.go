package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"bootes.dev/internal/api"
	"bootes.dev/internal/bytesize"
)

// exportFlags are the flags of both exports.
type exportFlags struct {
	format string
	force  bool
}

const exportText = "in the format of --format, or of the file's\n" +
	"ending; without either raw. Holes stay holes. The file has its name only when it is whole, is readable by you\n" +
	"alone, and replaces another only with --force. An export that fails or is interrupted leaves nothing."

func (f *exportFlags) register(c *cobra.Command) {
	c.Flags().StringVar(&f.format, "format", "", "raw, qcow2, vhd, vhdx or vmdk: the `format` of the file")
	c.Flags().BoolVar(&f.force, "force", false, "replace a file that exists")
}

func (a *app) imageExport() *cobra.Command {
	var f exportFlags
	c := &cobra.Command{
		Use: "export IMAGE FILE", Short: "Write an image to a disk image file", Args: exactly("IMAGE", "FILE"),
		Long:    "Write an image to a disk image file, " + exportText,
		Example: "  bootes image export debian:12 debian-12.qcow2\n  bootes image export debian:stable /srv/d.img --format raw --force",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.export(args[0], args[1], f, func(o *outFile, req api.ExportRequest, progress func(api.Progress)) (api.Exported, error) {
				return a.client().ExportImage(cmd.Context(), args[0], o.File, req, progress)
			})
		},
	}
	f.register(c)
	return c
}

func (a *app) volumeExport() *cobra.Command {
	var f exportFlags
	c := &cobra.Command{
		Use: "export VOLUME[@SNAPSHOT] FILE", Short: "Write a volume to a disk image file", Args: exactly("VOLUME", "FILE"),
		Long: "Write a volume, or what it was at a snapshot, to a disk image file, " + exportText +
			"\nThe disk of a running machine is taken as if its power had been cut.",
		Example: "  bootes volume export pc01 pc01.vhdx\n  bootes volume export pc01@before-upgrade pc01.raw",
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := a.findPlace(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return a.export(p.name(), args[1], f, func(o *outFile, req api.ExportRequest, progress func(api.Progress)) (api.Exported, error) {
				req.Snapshot = p.snapshot
				return a.client().ExportVolume(cmd.Context(), p.ID, o.File, req, progress)
			})
		},
	}
	f.register(c)
	return c
}

func (a *app) export(what, file string, f exportFlags, do func(*outFile, api.ExportRequest, func(api.Progress)) (api.Exported, error)) error {
	format, err := exportFormat(f.format, file)
	if err != nil {
		return err
	}
	target, err := filepath.Abs(file)
	if err != nil {
		return fmt.Errorf("export %q: %w", file, err)
	}
	o, err := createOut(file, f.force)
	if err != nil {
		return fmt.Errorf("export: %w", err)
	}
	e, err := track(a, "exporting "+what, func(progress func(api.Progress)) (api.Exported, error) {
		return do(o, api.ExportRequest{Format: format, Target: target}, progress)
	})
	if err := o.finish(err); err != nil {
		return err
	}
	return a.print(e, func() string {
		return fmt.Sprintf("exported %s to %s: %s, a disk of %s\n", clean(what), clean(file), e.Format, bytesize.Format(e.Size))
	})
}

// exportFormat goes by the flag, else by the file's ending.
func exportFormat(flag, file string) (string, error) {
	ending := strings.ToLower(strings.TrimPrefix(filepath.Ext(file), "."))
	switch {
	case file == "-":
		return "", usage("an export goes to a file, whose parts are not written in order: `bootes volume backup` writes to a pipe")
	case slices.Contains(api.Formats, flag):
		return flag, nil
	case flag != "":
		return "", usage("--format %q is no format: write one of %s", flag, strings.Join(api.Formats, ", "))
	case slices.Contains(api.Formats, ending):
		return ending, nil
	}
	return "raw", nil
}
