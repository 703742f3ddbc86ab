package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bootes.dev/internal/api"
	"bootes.dev/internal/config"
	"bootes.dev/internal/inventory"
	"bootes.dev/internal/needs"
)

// wired is a server without its network: the API over a unix socket, and all
// below it.
type wired struct {
	*api.Client
	*house
	t      *testing.T
	socket string
}

func newWired(t *testing.T) *wired {
	t.Helper()
	dir, err := os.MkdirTemp("", "wired")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	cfg := config.Default()
	cfg.Data, cfg.Limits.MinFree = filepath.Join(dir, "data"), config.Space{Bytes: 1 << 20}
	log := slog.New(slog.DiscardHandler)
	cfg.Loaders = []string{t.TempDir()}
	h := &house{cfg: cfg, log: log}
	if err := h.openLoaders(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := h.openState(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := h.openServices(t.Context()); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- api.New(h.apiOptions()).Serve(ctx, l) }()
	c := api.NewClient(filepath.Join(dir, "s"))
	t.Cleanup(func() {
		c.Close()
		end()
		if err := errors.Join(<-served, h.close()); err != nil {
			t.Error(err)
		}
	})
	return &wired{c, h, t, filepath.Join(dir, "s")}
}

func (w *wired) ok(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// file is an open file with that content.
func (w *wired) file(content []byte) *os.File {
	w.t.Helper()
	f, err := os.CreateTemp(w.t.TempDir(), "")
	w.ok(err)
	w.t.Cleanup(func() { f.Close() })
	_, err = f.Write(content)
	w.ok(err)
	_, err = f.Seek(0, io.SeekStart)
	w.ok(err)
	return f
}

func (w *wired) read(f *os.File) []byte {
	w.t.Helper()
	b, err := os.ReadFile(f.Name())
	w.ok(err)
	return b
}

// disk is an ext4 file system with one file.
func disk(t *testing.T) []byte {
	t.Helper()
	needs.Program(t, "mke2fs", "e2fsprogs")
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "root/etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	motd := filepath.Join(dir, "root/etc/motd")
	if err := os.WriteFile(motd, []byte("hello\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(motd, 0o644|fs.ModeSetuid|fs.ModeSetgid); err != nil {
		t.Fatal(err)
	}
	img := filepath.Join(dir, "disk.raw")
	if out, err := exec.Command("mke2fs", "-q", "-t", "ext4", "-d", filepath.Join(dir, "root"), img, "8M").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	b, err := os.ReadFile(img)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// pc01 is a machine of that image, with its disk.
func (w *wired) machine(name, mac, image string) api.Volume {
	w.t.Helper()
	_, err := w.AddMachine(w.t.Context(), api.NewMachine{Name: name, MACs: []string{mac}, Image: image})
	w.ok(err)
	v, err := w.storage.CreateVolume(w.t.Context(), name, image, inventory.Persistent, "")
	w.ok(err)
	out, err := w.Volume(w.t.Context(), v.ID)
	w.ok(err)
	return out
}

func (w *wired) write(volume string, p []byte, off int64) {
	w.t.Helper()
	d, err := w.storage.OpenVolume(w.t.Context(), volume)
	w.ok(err)
	_, err = d.WriteAt(p, off)
	w.ok(errors.Join(err, d.Close()))
}

// TestDayOfAnAdmin goes through what an admin does with images and disks, from
// the command line's client down to the engine.
func TestDayOfAnAdmin(t *testing.T) {
	w := newWired(t)
	ctx := t.Context()
	content := disk(t)
	img, err := w.Import(ctx, w.file(content), api.ImportRequest{Ref: "debian:12", Source: "a.raw", Identity: true}, nil)
	w.ok(err)
	for deadline := time.Now().Add(10 * time.Second); !img.Hashed && time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		img, err = w.Image(ctx, "debian:12")
		w.ok(err)
	}
	if !img.Hashed || img.Depth != 1 || img.Own == 0 || len(img.Tags) != 0 {
		t.Errorf("imported: %+v", img)
	}
	tag, err := w.SetTag(ctx, "debian:stable", "debian:12")
	w.ok(err)
	if tag.Image != "debian:12" {
		t.Errorf("%+v", tag)
	}
	v := w.machine("pc01", "52:54:00:00:00:01", "debian:stable")
	if v.Ref != "debian:stable" || v.Image != "debian:12" || v.Newer != "" || v.Size != 8<<20 {
		t.Errorf("%+v", v)
	}

	block := bytes.Repeat([]byte("x"), 4096)
	w.write(v.ID, block, 6<<20)
	_, err = w.Snapshot(ctx, v.ID, "monday")
	w.ok(err)
	d, err := w.Diff(ctx, api.Disk{Volume: v.ID, Snapshot: "monday"})
	w.ok(err)
	if d.Changed != 4096 || d.Against != "debian:12" || len(d.Partitions) != 1 {
		t.Errorf("%+v", d)
	}

	// The next image, moved to, and back.
	made, err := w.Commit(ctx, v.ID, api.Commit{Ref: "debian:13", Tag: "debian:stable"})
	w.ok(err)
	if made.Consistent != api.Clean || made.Moved == nil || made.Moved.Previous != "debian:12" || made.Parent != "debian:12" {
		t.Errorf("%+v", made)
	}
	m, err := w.Machine(ctx, "pc01")
	w.ok(err)
	if m.Newer != "debian:13" {
		t.Errorf("%+v", m)
	}
	back, err := w.ResetVolume(ctx, v.ID)
	w.ok(err)
	if back.Volume.Image != "debian:13" || back.Volume.Newer != "" {
		t.Errorf("%+v", back)
	}
	history, err := w.History(ctx, "debian:stable")
	w.ok(err)
	if len(history) != 2 || history[0].Image != "debian:13" || history[0].SnapshotOf != v.ID || history[1].Image != "debian:12" {
		t.Errorf("%+v", history)
	}
	good, err := w.VerifyImage(ctx, "debian:13", nil)
	w.ok(err)
	if len(good.Bad) != 0 {
		t.Errorf("%+v", good)
	}

	// Files, and whole disks, out and in again.
	listing, err := w.Files(ctx, api.FileRef{Disk: api.Disk{Image: "debian:stable"}, Path: "/etc"})
	w.ok(err)
	place := api.Place{System: "ext4"}
	if files := listing.Files; listing.Place != place || len(files) != 1 || files[0].Name != "motd" || files[0].Type != api.TypeFile || files[0].Mode != 0o6644 {
		t.Errorf("%+v", listing)
	}
	var motd bytes.Buffer
	at, err := w.ReadFile(ctx, api.FileRef{Disk: api.Disk{Volume: v.ID}, Path: "/etc/motd"}, &motd)
	w.ok(err)
	if at != place || motd.String() != "hello\n" {
		t.Errorf("%q in %+v", motd.String(), at)
	}
	want := bytes.Clone(content)
	copy(want[6<<20:], block)
	raw := w.file(nil)
	_, err = w.ExportVolume(ctx, v.ID, raw, api.ExportRequest{Snapshot: "monday", Format: "raw", Target: "b.raw"}, nil)
	w.ok(err)
	if !bytes.Equal(w.read(raw), want) {
		t.Error("what was exported is not what was written")
	}
	stream := w.file(nil)
	b, err := w.Backup(ctx, v.ID, stream, api.BackupRequest{Snapshot: "monday", Since: api.SinceImage, Target: "c"}, nil)
	w.ok(err)
	if b.Written > 10<<10 {
		t.Errorf("%+v", b)
	}
	_, err = w.AddMachine(ctx, api.NewMachine{Name: "pc02", MACs: []string{"52:54:00:00:00:02"}, Image: "debian:12"})
	w.ok(err)
	r, err := w.Restore(ctx, "pc02", w.file(w.read(stream)), api.RestoreRequest{Source: "c"}, nil)
	w.ok(err)
	if r.Volume.Machine != "pc02" || r.Volume.Image != "debian:12" || r.Volume.Private != 4096 {
		t.Errorf("%+v", r)
	}

	s, err := w.Space(ctx)
	w.ok(err)
	if len(s.Images) != 2 || len(s.Volumes) != 2 || s.TotalOwn == 0 || s.Capacity == 0 || s.MinFree != 1<<20 {
		t.Errorf("%+v", s)
	}
	w.ok(w.ForceRemoveVolume(ctx, r.Volume.ID))
	_, err = w.Volume(ctx, r.Volume.ID)
	if wantKind(t, err, api.NotFound); !strings.Contains(err.Error(), "there are "+v.ID) {
		t.Error(err)
	}
}

func wantKind(t *testing.T, err error, k api.Kind) {
	t.Helper()
	var e *api.Error
	if !errors.As(err, &e) || e.Kind() != k {
		t.Errorf("got %v, want a %s error", err, k)
	}
}

// TestUpdateOfAnImage: one machine makes the next image, everyone follows.
func TestUpdateOfAnImage(t *testing.T) {
	w := newWired(t)
	ctx := t.Context()
	_, err := w.Import(ctx, w.file(bytes.Repeat([]byte("a"), 1<<20)), api.ImportRequest{Ref: "debian:12", Source: "a.raw"}, nil)
	w.ok(err)
	_, err = w.SetTag(ctx, "debian:stable", "debian:12")
	w.ok(err)
	own := w.machine("pc01", "52:54:00:00:00:01", "debian:stable")
	_, err = w.CancelUpdate(ctx, "pc01")
	wantKind(t, err, api.Conflict)
	u, err := w.StartUpdate(ctx, "pc01", "debian:stable")
	w.ok(err)
	if u.Image != "debian:12" || u.Volume == "" {
		t.Errorf("%+v", u)
	}
	w.write(u.Volume, bytes.Repeat([]byte("b"), 4096), 0)
	m, err := w.Machine(ctx, "pc01")
	w.ok(err)
	if m.Update == nil || m.Update.Written != 4096 || m.Update.Volume != u.Volume {
		t.Errorf("%+v", m.Update)
	}
	p, err := w.Publish(ctx, "pc01", api.Publish{Ref: "debian:next", Tag: "debian:stable"})
	w.ok(err)
	if p.Moved == nil || p.Moved.Image != "debian:next" || p.Consistent != api.Clean {
		t.Errorf("%+v", p)
	}
	l, err := w.Volumes(ctx)
	w.ok(err)
	if len(l.Volumes) != 1 || l.Volumes[0].ID != own.ID || l.Volumes[0].Newer != "debian:next" {
		t.Errorf("%+v", l)
	}
	u, err = w.StartUpdate(ctx, "pc01", "debian:stable")
	w.ok(err)
	gone, err := w.CancelUpdate(ctx, "pc01")
	w.ok(err)
	if gone.Volume != u.Volume {
		t.Errorf("%+v", gone)
	}
	err = w.RemoveImage(ctx, "debian:12")
	if wantKind(t, err, api.Conflict); !strings.Contains(err.Error(), "bootes volume rm "+own.ID) {
		t.Error(err)
	}
}
