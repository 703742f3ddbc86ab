package main

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"bootes.dev/internal/api"
	"bootes.dev/internal/recorder"
)

// Times in tables are as seen from now.
var now = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// world is what a server under test rules.
type world struct {
	*recorder.Recorder
	images   []api.Image
	machines []api.Machine
	waiting  []api.Waiting
	volumes  api.VolumeList
	err      error // of every call that changes something
	onImport func(context.Context, api.Import, func(api.Progress)) (api.Image, error)

	verified  api.Verified
	files     []api.FileEntry
	place     api.Place
	content   string
	space     api.Space
	loaders   api.Loaders
	dhcp      []api.DHCPStatus
	leases    []api.Lease
	onExport  func(context.Context, api.Export, func(api.Progress)) error
	onBackup  func(context.Context, api.Backup, func(api.Progress)) error
	onRestore func(context.Context, api.Restore, func(api.Progress)) error

	mu    sync.Mutex
	calls []any
}

func newWorld() *world {
	return &world{
		Recorder: recorder.New(slog.New(slog.DiscardHandler)),
		images: []api.Image{
			{Ref: "debian:12", Digest: "sha256:0123456789abcdef", Layer: "l-1", Size: 4 << 30, Stored: 1234567890, Tags: []string{}, Source: "built", Identity: true, Created: now.Add(-3 * 24 * time.Hour)},
			{Ref: "win:11", Size: 64 << 30, Stored: 20 << 30, Tags: []string{}, Created: now.Add(-time.Second)},
		},
		machines: []api.Machine{
			{
				Name: "pc01", MACs: []string{"52:54:00:00:00:01", "52:54:00:00:00:11"}, Image: "debian:12", Mode: api.Persistent, Limit: 10 << 30,
				MachineID: "00112233445566778899aabbccddeeff", HostKeys: []string{"ssh-ed25519 AAAA pc01"}, Created: now.Add(-time.Hour),
			},
			{Name: "kiosk", MACs: []string{"52:54:00:00:00:02"}, Image: "debian:12", Mode: api.Ephemeral, Created: now.Add(-time.Hour)},
		},
		volumes: api.VolumeList{Volumes: []api.Volume{
			{ID: "0f3a-1111-aaaa", Machine: "pc01", Image: "debian:12", Since: "debian:12", Digest: "sha256:01", Mode: api.Persistent, Size: 4 << 30, Stored: 5 << 20, Limit: 10 << 30, Open: true, ReadBytes: 190 << 20, WrittenBytes: 6 << 20, Snapshots: []api.Snapshot{}, Created: now.Add(-time.Hour)},
			{ID: "0f3a-2222-bbbb", Machine: "kiosk", Image: "debian:12", Mode: api.Ephemeral, Size: 4 << 30, Boot: "b7", Snapshots: []api.Snapshot{}, Created: now.Add(-time.Minute)},
			{ID: "77aa-3333-cccc", Machine: "kiosk", Image: "debian:12", Mode: api.Ephemeral, Size: 4 << 30, Boot: "b6", Snapshots: []api.Snapshot{}, Created: now.Add(-time.Hour)},
		}},
	}
}

func (w *world) call(args ...any) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls = append(w.calls, args...)
	return w.err
}

func (w *world) called() []any {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.calls
}

func (w *world) Images(context.Context) ([]api.Image, error) { return w.images, nil }
func (w *world) Image(_ context.Context, ref string) (api.Image, error) {
	for _, i := range w.images {
		if i.Ref == ref {
			return i, nil
		}
	}
	return api.Image{}, api.Errorf(api.NotFound, "no image %q: there are debian:12, win:11", ref)
}
func (w *world) RemoveImage(_ context.Context, ref string) error { return w.call("rm image", ref) }
func (w *world) ImportImage(ctx context.Context, j api.Import, p func(api.Progress)) (api.Image, error) {
	return w.onImport(ctx, j, p)
}

func (w *world) Machines(context.Context) ([]api.Machine, error) {
	return append([]api.Machine(nil), w.machines...), nil
}
func (w *world) Machine(_ context.Context, name string) (api.Machine, error) {
	for _, m := range w.machines {
		if m.Name == name {
			return m, nil
		}
	}
	return api.Machine{}, api.Errorf(api.NotFound, "no machine %q", name)
}
func (w *world) AddMachine(_ context.Context, n api.NewMachine) (api.Machine, error) {
	return api.Machine{Name: n.Name, MACs: n.MACs, Image: n.Image, Mode: n.Mode, Limit: value(n.Limit), Created: now}, w.call(n)
}
func (w *world) SetMachine(_ context.Context, name string, c api.MachineChange) (api.Machine, error) {
	return w.machines[0], w.call(name, c)
}
func (w *world) RemoveMachine(_ context.Context, name string) error {
	return w.call("rm machine", name)
}

func (w *world) Volumes(context.Context) (api.VolumeList, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return api.VolumeList{Volumes: slices.Clone(w.volumes.Volumes), Freeing: w.volumes.Freeing}, nil
}
func (w *world) Volume(ctx context.Context, id string) (api.Volume, error) {
	l, _ := w.Volumes(ctx)
	for _, v := range l.Volumes {
		if v.ID == id {
			return v, nil
		}
	}
	return api.Volume{}, api.Errorf(api.NotFound, "no volume %q", id)
}
func (w *world) SetVolume(_ context.Context, id string, c api.VolumeChange) (api.Volume, error) {
	w.mu.Lock()
	v := w.volumes.Volumes[0]
	w.mu.Unlock()
	set(&v.Limit, c.Limit)
	set(&v.WriteThrough, c.WriteThrough)
	set(&v.Shared, c.Shared)
	set(&v.IOPS, c.IOPS)
	set(&v.Bandwidth, c.Bandwidth)
	return v, w.call(id, c)
}
func (w *world) RemoveVolume(_ context.Context, id string) error { return w.call("rm volume", id) }

// serveWorld runs a server over w until the test ends, and returns its socket.
func serveWorld(t *testing.T, w *world) string {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "s")
	l, err := api.Listen(socket, "")
	if err != nil {
		t.Fatal(err)
	}
	s := api.New(api.Options{
		Images: w, Machines: w, Volumes: w, Boots: w, Version: "9.9", Log: slog.New(slog.DiscardHandler),
		Tags: w, Layers: w, Snapshots: w, Disks: w, Attachments: w, Updates: w, Streams: w, Files: w, Space: w, Loaders: w, DHCP: w, Leases: w, Credentials: w, IO: w, Traces: w, Waiting: w, Packets: w,
	})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return socket
}

// bootes runs one command line.
func bootes(t *testing.T, args ...string) (out, errs string, code int) {
	t.Helper()
	return bootesUntil(t.Context(), args...)
}

func bootesUntil(ctx context.Context, args ...string) (out, errs string, code int) {
	var o, e bytes.Buffer
	a := &app{in: os.Stdin, out: &o, errs: &e, now: func() time.Time { return now }}
	code = a.run(ctx, args)
	return o.String(), e.String(), code
}

func TestMain(m *testing.M) {
	time.Local = time.UTC
	os.Unsetenv("BOOTES_SOCKET")
	os.Exit(m.Run())
}
