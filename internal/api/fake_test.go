package api

import (
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"bootes.dev/internal/recorder"
)

func TestMain(m *testing.M) {
	if os.Getenv("API_TEST_STRANGER") != "" {
		stranger()
		return
	}
	goleak.VerifyTestMain(m)
}

var born = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// fake is the world behind the API.
type fake struct {
	*recorder.Recorder

	mu       sync.Mutex
	err      error // what every call returns, if not nil
	calls    []any // arguments of calls that change something
	images   []Image
	machines []Machine
	volumes  VolumeList
	onImport func(ctx context.Context, job Import, progress func(Progress)) (Image, error)
	more
}

func newFake() *fake {
	return &fake{
		Recorder: recorder.New(slog.New(slog.DiscardHandler)),
		images:   []Image{{Ref: "debian:12", Digest: "sha256:ab", Layer: "l1", Size: 4 << 30, Stored: 1 << 30, Tags: []string{}, Identity: true, Created: born}},
		machines: []Machine{{Name: "pc01", MACs: []string{"52:54:00:00:00:01"}, Image: "debian:12", Mode: Persistent, Created: born}},
		volumes: VolumeList{
			Volumes: []Volume{{ID: "v1", Machine: "pc01", Image: "debian:12", Mode: Persistent, Size: 4 << 30, Stored: 4096, Snapshots: []Snapshot{}, Created: born}},
			Freeing: 7,
		},
	}
}

// set changes the fake while the server may be using it.
func (f *fake) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

func (f *fake) call(args ...any) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, args...)
	return f.err
}

func find[T any](all []T, what, name string, is func(T) bool) (T, error) {
	for _, x := range all {
		if is(x) {
			return x, nil
		}
	}
	var none T
	return none, Errorf(NotFound, "no %s %q", what, name)
}

func (f *fake) Images(context.Context) ([]Image, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.images, f.err
}
func (f *fake) Image(_ context.Context, ref string) (Image, error) {
	return find(f.images, "image", ref, func(i Image) bool { return i.Ref == ref })
}
func (f *fake) RemoveImage(_ context.Context, ref string) error { return f.call("rm image", ref) }
func (f *fake) ImportImage(ctx context.Context, job Import, progress func(Progress)) (Image, error) {
	f.mu.Lock()
	do := f.onImport
	f.mu.Unlock()
	return do(ctx, job, progress)
}

func (f *fake) Machines(context.Context) ([]Machine, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]Machine(nil), f.machines...), f.err
}
func (f *fake) Machine(_ context.Context, name string) (Machine, error) {
	return find(f.machines, "machine", name, func(m Machine) bool { return m.Name == name })
}
func (f *fake) AddMachine(_ context.Context, n NewMachine) (Machine, error) {
	return Machine{Name: n.Name, MACs: n.MACs, Image: n.Image, Mode: n.Mode, Limit: *n.Limit}, f.call(n)
}
func (f *fake) SetMachine(_ context.Context, name string, c MachineChange) (Machine, error) {
	return f.machines[0], f.call(name, c)
}
func (f *fake) RemoveMachine(_ context.Context, name string) error {
	return f.call("rm machine", name)
}

func (f *fake) Volumes(context.Context) (VolumeList, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.volumes, f.err
}
func (f *fake) Volume(_ context.Context, id string) (Volume, error) {
	return find(f.volumes.Volumes, "volume", id, func(v Volume) bool { return v.ID == id })
}
func (f *fake) SetVolume(_ context.Context, id string, c VolumeChange) (Volume, error) {
	return f.volumes.Volumes[0], f.call(id, c)
}
func (f *fake) RemoveVolume(_ context.Context, id string) error { return f.call("rm volume", id) }

func (f *fake) options() Options {
	return Options{
		Images: f, Machines: f, Volumes: f, Boots: f, Version: "1.2.3", Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Tags: f, Layers: f, Snapshots: f, Disks: f, Attachments: f, Updates: f, Streams: f, Files: f, Space: f, Loaders: f, DHCP: f, Leases: f, Credentials: f, IO: f, Traces: f, Waiting: f, Packets: f, Simulations: f,
	}
}

// serve runs a server over f on a real socket until the test ends. stop ends
// it before and returns what Serve returned.
func serve(t *testing.T, f *fake) (c *Client, stop func() error) {
	t.Helper()
	return serveOptions(t, f.options())
}

func serveOptions(t *testing.T, o Options) (c *Client, stop func() error) {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "api.sock")
	l, err := Listen(socket, "")
	if err != nil {
		t.Fatal(err)
	}
	s := New(o)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, l) }()
	c = NewClient(socket)
	stop = sync.OnceValue(func() error {
		cancel()
		c.Close()
		return <-ended
	})
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return c, stop
}
