package main

import (
	"context"
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"bootes.dev/internal/api"
)

const filesText = "\nFiles are read from ext2, ext3, ext4 and FAT file systems; nothing is changed. The partition is the first\n" +
	"that has a folder /etc, or else the largest, unless the path begins with its number, such as p1:/EFI. Of a machine\n" +
	"that runs or was not switched off in good order, what it has written to its disk is seen, not what was still in its\n" +
	"memory or its journal."

// find tells which file an argument means.
type find func(ctx context.Context, arg string) (api.FileRef, error)

func (a *app) volumeFile(ctx context.Context, arg string) (api.FileRef, error) {
	name, path, err := splitVolumePath(arg)
	if err != nil {
		return api.FileRef{}, err
	}
	p, err := a.findPlace(ctx, name)
	return api.FileRef{Disk: p.disk(), Path: path}, err
}

func imageFile(_ context.Context, arg string) (api.FileRef, error) {
	ref, path, err := splitImagePath(arg)
	return api.FileRef{Disk: api.Disk{Image: ref}, Path: path}, err
}

func (a *app) volumeFiles() *cobra.Command {
	return a.filesCommand(&cobra.Command{
		Use: "ls [VOLUME[@SNAPSHOT]:PATH]", Short: "List the files of a folder of a volume, or the volumes",
		Long: "List what a folder of a volume holds, or of what it was at a snapshot." + filesText + "\n" +
			"Without an argument, list the volumes.",
		Example: "  bootes volume ls pc01:/var/log\n  bootes volume ls pc01@before-upgrade:/etc -o json",
	}, a.volumeFile, a.listVolumes)
}

func (a *app) imageFiles() *cobra.Command {
	return a.filesCommand(&cobra.Command{
		Use: "ls [NAME:TAG:PATH]", Short: "List the files of a folder of an image, or the images",
		Long:    "List what a folder of an image holds." + filesText + "\nWithout an argument, list the images.",
		Example: "  bootes image ls debian:12:/boot\n  bootes image ls debian:stable:p1:/EFI",
	}, imageFile, a.listImages)
}

// filesCommand makes c list files, or without an argument all.
func (a *app) filesCommand(c *cobra.Command, which find, all func(context.Context) error) *cobra.Command {
	c.Args = func(_ *cobra.Command, args []string) error {
		if len(args) > 1 {
			return fmt.Errorf("%q is one argument too many", args[1])
		}
		return nil
	}
	c.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return all(cmd.Context())
		}
		ref, err := which(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		l, err := a.client().Files(cmd.Context(), ref)
		if err != nil {
			return err
		}
		if a.format != "json" {
			defer a.warnUnclean(l.Place)
		}
		return a.print(l, func() string { return filesTable(l.Files) })
	}
	return c
}

// warnUnclean says that what was shown may not be the newest.
func (a *app) warnUnclean(p api.Place) {
	if !p.Unclean {
		return
	}
	where := clean(p.System) + " file system"
	if p.Partition != 0 {
		where += fmt.Sprintf(" in partition %d", p.Partition)
	}
	fmt.Fprintf(a.errs, "note: the %s is in use, or was not closed in good order: its newest changes may be missing here\n", where)
}

// filesTable is like ls -l, which lists owners too.
func filesTable(l []api.FileEntry) string {
	t := newTable("", ">", "", "")
	t.rows = nil
	for _, e := range l {
		name := e.Name
		if e.Target != "" {
			name += " -> " + e.Target
		}
		if e.Error != "" {
			name += " (" + e.Error + ")"
		}
		t.row(modeText(e), strconv.FormatInt(e.Size, 10), e.Modified.Local().Format("2006-01-02 15:04"), name)
	}
	return t.String()
}

// modeText writes type and permissions as ls does.
func modeText(e api.FileEntry) string {
	b := []byte("?rwxrwxrwx")
	switch e.Type {
	case api.TypeFile:
		b[0] = '-'
	case api.TypeDir:
		b[0] = 'd'
	case api.TypeSymlink:
		b[0] = 'l'
	}
	for i := range 9 {
		if e.Mode&(1<<(8-i)) == 0 {
			b[1+i] = '-'
		}
	}
	for i, letter := range []byte("sst") { // set-user-ID, set-group-ID, sticky
		if e.Mode&(0o4000>>i) == 0 {
			continue
		}
		if x := &b[3+3*i]; *x == 'x' {
			*x = letter
		} else {
			*x = letter - 'a' + 'A'
		}
	}
	return string(b)
}

func (a *app) volumeCat() *cobra.Command {
	return a.catCommand(&cobra.Command{
		Use: "cat VOLUME[@SNAPSHOT]:PATH", Short: "Write a file of a volume to standard output", Args: exactly("VOLUME:PATH"),
		Long: "Write a file of a volume, or of what it was at a snapshot, to standard output as it is." + filesText + "\n" +
			"Binary files are not written to a terminal.",
		Example: "  bootes volume cat pc01:/etc/fstab\n  bootes volume cat pc01@before-upgrade:/home/me/thesis.odt > thesis.odt",
	}, a.volumeFile)
}

func (a *app) imageCat() *cobra.Command {
	return a.catCommand(&cobra.Command{
		Use: "cat NAME:TAG:PATH", Short: "Write a file of an image to standard output", Args: exactly("NAME:TAG:PATH"),
		Long:    "Write a file of an image to standard output as it is." + filesText + "\nBinary files are not written to a terminal.",
		Example: "  bootes image cat debian:12:/etc/os-release",
	}, imageFile)
}

func (a *app) catCommand(c *cobra.Command, which find) *cobra.Command {
	c.RunE = func(cmd *cobra.Command, args []string) error {
		if a.format == "json" {
			return usage("cat writes a file as it is, not as JSON: leave -o json out")
		}
		ref, err := which(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		var to io.Writer = a.out
		if terminal(a.out) {
			to = textOnly{a.out}
		}
		p, err := a.client().ReadFile(cmd.Context(), ref, to)
		a.warnUnclean(p)
		return err
	}
	return c
}

// textOnly lets nothing through that could steer a terminal.
type textOnly struct{ w io.Writer }

func (t textOnly) Write(p []byte) (int, error) {
	for i, c := range p {
		inUTF8 := c == 0xc2 && i+1 < len(p) && p[i+1] < 0xa0 // U+0080 to U+009F steer too
		if c < ' ' && c != '\n' && c != '\t' && c != '\r' || c == 0x7f || inUTF8 {
			return 0, usage("the file is binary, which a terminal does not take: write it to a file with > FILE, or look at it with | less")
		}
	}
	return t.w.Write(p)
}
