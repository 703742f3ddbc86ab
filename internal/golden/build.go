package golden

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"

	"github.com/google/uuid"
	"golang.org/x/sys/unix"
)

// builder is one build under way.
type builder struct {
	Options
	dir      string // temporary, beside the output
	rootUUID uuid.UUID
}

// stages of a build, in order, as Progress names them.
var stages = []string{"install packages", "make file systems", "install boot loaders", "sync"}

// Build makes a golden image. It needs root and takes a minute or two with a near
// mirror. When it fails or ctx ends, nothing is left behind and a former output
// file is untouched.
func Build(ctx context.Context, o Options) (err error) {
	o = o.withDefaults()
	if err := errors.Join(o.validate(), requirements()); err != nil {
		return fmt.Errorf("build image: %w", err)
	}
	b := &builder{Options: o}
	if b.rootUUID, err = uuid.NewRandomFromReader(rand.Reader); err != nil {
		return fmt.Errorf("build image: %w", err)
	}
	if err := b.makeDir(); err != nil {
		return fmt.Errorf("build image: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.dir)) }()
	if err := b.run(ctx); err != nil {
		return fmt.Errorf("build image: %w", err)
	}
	o.Progress("done", len(stages), len(stages))
	return nil
}

func (b *builder) run(ctx context.Context) error {
	steps := []func(context.Context) error{b.installSystem, b.makeDisk, b.installGRUB, b.finish}
	for i, step := range steps {
		b.Progress(stages[i], i, len(stages))
		if err := step(ctx); err != nil {
			// A program that was stopped reports the signal; say why.
			return errors.Join(ctx.Err(), err)
		}
	}
	return nil
}

func (b *builder) path(name string) string { return filepath.Join(b.dir, name) }

func (b *builder) disk() string { return b.path("disk.raw") }

var leftover = regexp.MustCompile(`^\.golden-([0-9]+)-`)

// dirName begins the name of the temporary folder of a process.
func dirName(pid int) string { return fmt.Sprintf(".golden-%d-", pid) }

// makeDir makes the temporary folder beside the output, so that the last step is
// a rename, and removes those of builds that were killed.
func (b *builder) makeDir() error {
	parent := filepath.Dir(b.Output)
	entries, err := os.ReadDir(parent)
	if err != nil {
		return fmt.Errorf("read output folder: %w", err)
	}
	for _, e := range entries {
		m := leftover.FindStringSubmatch(e.Name())
		if m == nil {
			continue
		}
		if pid, err := strconv.Atoi(m[1]); err == nil && unix.Kill(pid, 0) == unix.ESRCH {
			_ = os.RemoveAll(filepath.Join(parent, e.Name()))
		}
	}
	b.dir, err = os.MkdirTemp(parent, dirName(os.Getpid()))
	if err != nil {
		return fmt.Errorf("make temporary folder: %w", err)
	}
	// Absolute, for programs that run elsewhere; open to read, for apt's
	// unprivileged downloader.
	if b.dir, err = filepath.Abs(b.dir); err != nil {
		return err
	}
	return os.Chmod(b.dir, 0o755)
}

// finish puts the complete disk where it belongs.
func (b *builder) finish(context.Context) error {
	f, err := os.OpenFile(b.disk(), os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("open disk: %w", err)
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		return fmt.Errorf("sync disk: %w", err)
	}
	if err := os.Rename(b.disk(), b.Output); err != nil {
		return fmt.Errorf("move disk into place: %w", err)
	}
	dir, err := os.Open(filepath.Dir(b.Output))
	if err != nil {
		return fmt.Errorf("open output folder: %w", err)
	}
	defer dir.Close()
	if err := dir.Sync(); err != nil {
		return fmt.Errorf("sync output folder: %w", err)
	}
	return nil
}
