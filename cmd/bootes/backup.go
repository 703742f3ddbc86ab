package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/spf13/cobra"

	"bootes.dev/internal/api"
	"bootes.dev/internal/bytesize"
)

func (a *app) volumeBackup() *cobra.Command {
	var since string
	var force bool
	c := &cobra.Command{
		Use: "backup VOLUME[@SNAPSHOT] FILE", Short: "Write a volume to a file or pipe, or only the difference since a snapshot",
		Args: exactly("VOLUME", "FILE"),
		Long: "Write a volume, or what it was at a snapshot, to a file or pipe (- is standard output), from which\n" +
			"`bootes volume restore` brings it back. With --since only what has changed since an earlier snapshot, or\n" +
			"since the image: restoring that needs the snapshot, or the image, to be there. Without a snapshot the disk\n" +
			"of a running machine is taken as if its power had been cut. A file has its name only when it is whole, is\n" +
			"readable by you alone, and replaces another only with --force.",
		Example: "  bootes volume snapshot pc01 monday; bootes volume backup pc01@monday pc01-monday.backup\n" +
			"  bootes volume snapshot pc01 friday; bootes volume backup pc01@friday pc01-friday.backup --since monday\n" +
			"  bootes volume backup pc01 - --since image | zstd | ssh nas 'cat > pc01.backup.zst'",
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := a.findPlace(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			t, err := a.backupTarget(args[1], force)
			if err != nil {
				return fmt.Errorf("back up: %w", err)
			}
			b, err := track(a, "backing up "+p.name(), func(progress func(api.Progress)) (api.BackedUp, error) {
				req := api.BackupRequest{Snapshot: p.snapshot, Since: since, Target: t.name}
				return a.client().Backup(cmd.Context(), p.ID, t.file, req, progress)
			})
			if err := t.finish(err); err != nil {
				return err
			}
			if args[1] == "-" { // standard output is taken
				a.out = a.errs
			}
			return a.print(b, func() string { return backedUpText(p, b) })
		},
	}
	c.Flags().StringVar(&since, "since", "", "only the difference to this `snapshot`, or to the image by the word image")
	c.Flags().BoolVar(&force, "force", false, "replace a file that exists")
	return c
}

func backedUpText(p place, b api.BackedUp) string {
	what := "all of it"
	if b.Since != "" {
		what = "what has changed since " + clean(b.Since)
	}
	return fmt.Sprintf("backed up %s to %s: %s, %s\n", clean(p.name()), clean(b.Target), bytesize.Format(b.Written), what)
}

// target is what a backup is written to.
type target struct {
	file   *os.File
	name   string
	finish func(err error) error // takes the backup's error
}

func (a *app) backupTarget(arg string, force bool) (*target, error) {
	if arg == "-" {
		f, ok := a.out.(*os.File)
		if !ok || terminal(f) {
			return nil, usage("standard output is a terminal, and a backup is binary: name a file, or write it to a pipe: … - | ssh nas 'cat > FILE'")
		}
		return &target{f, "standard output", func(err error) error { return err }}, nil
	}
	name, err := filepath.Abs(arg)
	if err != nil {
		return nil, err
	}
	if st, err := os.Stat(arg); err == nil && !st.Mode().IsRegular() && !st.IsDir() {
		// Without O_NONBLOCK, opening a pipe would wait for its other end.
		f, err := os.OpenFile(arg, os.O_WRONLY|syscall.O_NONBLOCK, 0)
		switch {
		case errors.Is(err, syscall.ENXIO):
			return nil, fmt.Errorf("%q: nobody reads this pipe yet", arg)
		case err != nil:
			return nil, err
		case terminal(f):
			f.Close()
			return nil, usage("%q is a terminal, and a backup is binary: name a file", arg)
		}
		return &target{f, name, func(err error) error { f.Close(); return err }}, nil
	}
	o, err := createOut(arg, force)
	if err != nil {
		return nil, err
	}
	return &target{o.File, name, o.finish}, nil
}

func (a *app) volumeRestore() *cobra.Command {
	var force bool
	c := &cobra.Command{
		Use: "restore MACHINE|VOLUME FILE", Short: "Make a machine's disk, or a data volume, of a backup", Args: exactly("MACHINE", "FILE"),
		Long: "Make a machine's disk, or the content of a data volume, of a backup in a file or pipe (- is\n" +
			"standard input). A backup of a difference goes on top of what it is a difference to, which must be there:\n" +
			"restore the backups in the order in which they were made. If the machine has a disk it must be off, a data\n" +
			"volume must be there and detached; what was written to it since its last snapshot is lost, which --force\n" +
			"allows; snapshots stay. A restore that fails or is interrupted leaves everything as it was.",
		Example: "  bootes volume restore pc01 pc01-monday.backup --force\n  ssh nas cat pc01.backup.zst | zstd -d | bootes volume restore pc01 -",
		RunE: func(cmd *cobra.Command, args []string) error {
			f, name, err := a.backupSource(args[1])
			if err != nil {
				return fmt.Errorf("restore: %w", err)
			}
			defer f.Close()
			restore := a.client().Restore
			if l, err := a.client().Volumes(cmd.Context()); err != nil {
				return err
			} else if slices.ContainsFunc(l.Volumes, func(v api.Volume) bool { return v.Mode == api.Data && v.ID == args[0] }) {
				restore = a.client().RestoreVolume
			}
			r, err := track(a, "restoring "+args[0], func(progress func(api.Progress)) (api.Restored, error) {
				return restore(cmd.Context(), args[0], f, api.RestoreRequest{Source: name, Force: force}, progress)
			})
			if err != nil {
				return err
			}
			return a.print(r, func() string { return restoredText(args[0], name, r) })
		},
	}
	c.Flags().BoolVar(&force, "force", false, "also over a disk that the machine has: what was written since its last snapshot is lost")
	return c
}

func restoredText(machine, name string, r api.Restored) string {
	text := fmt.Sprintf("restored %s from %s: %s, volume %s\n", clean(machine), clean(name), bytesize.Format(r.Volume.Size), clean(r.Volume.ID))
	if r.Lost > 0 || len(r.Volume.Snapshots) > 0 {
		text += fmt.Sprintf("lost: %s that it had written\nkept: %s\n", bytesize.Format(r.Lost), snapshotNames(r.Volume))
	}
	return text
}

// backupSource opens what a backup is read from.
func (a *app) backupSource(arg string) (*os.File, string, error) {
	if arg == "-" {
		if terminal(a.in) {
			return nil, "", usage("standard input is a terminal: name a file, or read a backup from a pipe: ssh nas cat FILE | bootes volume restore MACHINE -")
		}
		return a.in, "standard input", nil
	}
	name, err := filepath.Abs(arg)
	if err != nil {
		return nil, "", err
	}
	f, err := os.Open(arg)
	if err != nil {
		return nil, "", err
	}
	if st, err := f.Stat(); err == nil && st.Mode().Type() == fs.ModeDir {
		f.Close()
		return nil, "", usage("%q is a folder: name a file", arg)
	}
	return f, name, nil
}
