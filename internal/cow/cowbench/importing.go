package cowbench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os/exec"
	"time"

	"bootes.dev/internal/diskimage"
	"bootes.dev/internal/inventory"
	"bootes.dev/internal/storage"
	"bootes.dev/internal/store"
)

// importing compares the import of a raw image that is half holes with cp.
func (b *bench) importing(r *room) (err error) {
	if err := b.halfHoles(r, "source.raw"); err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	st, err := store.Open(b.ctx, store.Options{Dir: r.data(), ReserveBytes: -1, Log: log})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	s := storage.New(storage.Options{Engine: r.eng, Inventory: inventory.New(st), Dir: r.data(), Log: log})
	var cp, ours, hashed []time.Duration
	for range min(3, b.rounds) {
		d, err := b.copySparse(r.path("source.raw"), r.path("copy.raw"))
		if err != nil {
			return err
		}
		cp = append(cp, d)
		if d, err = b.importOnce(s, r.path("source.raw")); err != nil {
			return err
		}
		ours = append(ours, d)
		if d, err = r.hashed(); err != nil {
			return err
		}
		hashed = append(hashed, d)
		if err := errors.Join(s.RemoveImage(b.ctx, "image:1"), r.freed(time.Minute)); err != nil {
			return err
		}
	}
	b.atLeast(fmt.Sprintf("import of a %s raw image, half holes, against `cp --sparse=always` and sync", gib(b.source)),
		quantile(cp, 0.5), quantile(ours, 0.5), 0.8)
	b.row("… its digest, made in the background, came after", short(quantile(hashed, 0.5)), "", true)
	return nil
}

// hashed waits until all layers have their digests.
func (r *room) hashed() (time.Duration, error) {
	start := time.Now()
	for _, l := range r.eng.Layers() {
		for l.Digest == "" && time.Since(start) < time.Minute {
			time.Sleep(time.Millisecond)
			var err error
			if l, err = r.eng.Layer(l.ID); err != nil {
				return 0, err
			}
		}
	}
	return time.Since(start), nil
}

// halfHoles writes every second MiB of a file.
func (b *bench) halfHoles(r *room, name string) error {
	p, err := r.plain(name, b.source)
	if err != nil {
		return err
	}
	data := pattern(1 << 20)
	for off := int64(0); off < b.source; off += 2 << 20 {
		if _, err := p.WriteAt(data, off); err != nil {
			return err
		}
	}
	return errors.Join(p.Flush(), p.Close())
}

func (b *bench) copySparse(from, to string) (time.Duration, error) {
	start := time.Now()
	for _, args := range [][]string{{"cp", "--sparse=always", from, to}, {"sync", to}} {
		if err := b.command(args...); err != nil {
			return 0, err
		}
	}
	took := time.Since(start)
	return took, b.command("rm", to)
}

func (b *bench) importOnce(s *storage.Storage, from string) (time.Duration, error) {
	start := time.Now()
	src, err := diskimage.Open(b.ctx, from, diskimage.Options{})
	if err != nil {
		return 0, err
	}
	_, err = s.ImportImage(b.ctx, "image:1", src, storage.Meta{Source: from}, nil)
	return time.Since(start), errors.Join(err, src.Close())
}

func (b *bench) command(args ...string) error {
	_, err := output(b.ctx, args...)
	return err
}

// output runs a program of others.
func output(ctx context.Context, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, args[0], args[1:]...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("run %q: %w: %s", args, err, out)
	}
	return string(out), nil
}
