package inventory

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"bootes.dev/internal/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// site is an inventory in a store of its own, with a clock that tests set.
type site struct {
	*Inventory
	t   *testing.T
	dir string
	s   *store.Store

	mu  sync.Mutex
	now time.Time
}

func newSite(t *testing.T) *site {
	t.Helper()
	dir, err := os.MkdirTemp("", "inv")
	if err != nil {
		t.Fatal(err)
	}
	x := &site{t: t, dir: dir, now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	t.Cleanup(func() {
		if err := x.s.Close(); err != nil {
			t.Error(err)
		}
		os.RemoveAll(dir)
	})
	x.open()
	return x
}

func (x *site) open() {
	x.t.Helper()
	var err error
	x.s, err = store.Open(x.t.Context(), store.Options{Dir: x.dir + "/s", ReserveBytes: 1 << 20, LowBytes: 1 << 20})
	if err != nil {
		x.t.Fatal(err)
	}
	x.Inventory = New(x.s)
	x.Inventory.now = func() time.Time {
		x.mu.Lock()
		defer x.mu.Unlock()
		return x.now
	}
}

// restart closes the store and opens it anew.
func (x *site) restart() {
	x.t.Helper()
	if err := x.s.Close(); err != nil {
		x.t.Fatal(err)
	}
	x.open()
}

func (x *site) later(d time.Duration) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.now = x.now.Add(d)
}

func (x *site) image(ref string) Image {
	x.t.Helper()
	name, tag, _ := strings.Cut(ref, ":")
	i, err := x.AddImage(x.t.Context(), Image{Name: name, Tag: tag, Layer: "layer-" + ref, Digest: "sha256:00", Size: 1 << 30})
	if err != nil {
		x.t.Fatal(err)
	}
	return i
}

var nextMAC = 0

func (x *site) machine(name, image string) Machine {
	x.t.Helper()
	nextMAC++
	m, err := x.AddMachine(x.t.Context(), Machine{Name: name, MACs: []string{fmt.Sprintf("52:54:00:aa:%02x:%02x", nextMAC>>8, nextMAC&255)}, Image: image})
	if err != nil {
		x.t.Fatal(err)
	}
	return m
}

// wantErr fails unless err is of type E and says want.
func wantErr[E error](t *testing.T, err error, want string) {
	t.Helper()
	var e E
	if !errors.As(err, &e) {
		t.Errorf("got %v, not of type %T", err, e)
		return
	}
	if err.Error() != want {
		t.Errorf("got  %s\nwant %s", err, want)
	}
}

func TestMachineRules(t *testing.T) {
	x := newSite(t)
	ctx := t.Context()
	x.image("debian:12")
	x.image("debian:13")
	pc1, err := x.AddMachine(ctx, Machine{Name: "pc1", MACs: []string{"52-54-00-AA-BB-01", "52:54:00:aa:bb:01"}, Image: "debian:12", UUID: "4C4C4544-0042-3510-8057-B4C04F4A4D32"})
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(pc1.MACs) != "[52:54:00:aa:bb:01]" || pc1.Mode != Persistent || pc1.UUID != "4c4c4544-0042-3510-8057-b4c04f4a4d32" {
		t.Errorf("not normalised: %+v", pc1)
	}

	const mac2 = "52:54:00:aa:bb:02"
	add := func(m Machine) error { _, err := x.AddMachine(ctx, m); return err }
	wantErr[*ExistsError](t, add(Machine{Name: "pc1", MACs: []string{mac2}, Image: "debian:12"}),
		"machine \"pc1\" exists already: change it with `bootes machine set pc1`, or choose another name")
	wantErr[*ExistsError](t, add(Machine{Name: "pc2", MACs: []string{mac2, "52:54:00:AA:BB:01"}, Image: "debian:12"}),
		`MAC address "52:54:00:aa:bb:01" belongs to machine pc1 already: take it from that machine first, or look whether it was mistyped`)
	wantErr[*NotFoundError](t, add(Machine{Name: "pc2", MACs: []string{mac2}, Image: "debian:11"}),
		`no image "debian:11": there are debian:12, debian:13`)
	wantErr[*InvalidError](t, add(Machine{Name: "PC2", MACs: []string{mac2}, Image: "debian:12"}),
		`machine name "PC2" is not valid: a host name has lower-case letters, digits and hyphens between them (RFC 1123), at most 64 characters`)
	wantErr[*InvalidError](t, add(Machine{Name: "pc2", Image: "debian:12"}),
		`machine "pc2" is not valid: it needs the MAC address of its network card: that is how it is recognised`)
	wantErr[*InvalidError](t, add(Machine{Name: "pc2", MACs: []string{"01:00:5e:00:00:01"}, Image: "debian:12"}),
		`MAC address "01:00:5e:00:00:01" is not valid: it is a group address, not that of a network card`)
	wantErr[*InvalidError](t, add(Machine{Name: "pc2", MACs: []string{mac2}, Image: "debian"}),
		`image "debian" is not valid: write it as name:tag, such as "debian:12"`)
	wantErr[*InvalidError](t, add(Machine{Name: "pc2", MACs: []string{mac2}, Image: "debian:12", Mode: "forever"}),
		`mode "forever" is not valid: it is "persistent" or "ephemeral"`)

	// None of the refused has left a trace.
	if err := add(Machine{Name: "pc2", MACs: []string{mac2}, Image: "debian:12"}); err != nil {
		t.Error(err)
	}
	if ms, err := x.Machines(ctx); err != nil || len(ms) != 2 {
		t.Errorf("%d machines, %v", len(ms), err)
	}
	m, err := x.MachineByMAC(ctx, "52-54-00-AA-BB-02")
	if err != nil || m.Name != "pc2" {
		t.Errorf("by MAC: %q, %v", m.Name, err)
	}
	_, err = x.MachineByMAC(ctx, "52:54:00:aa:bb:99")
	wantErr[*NotFoundError](t, err, `no machine with MAC address "52:54:00:aa:bb:99"`)
	_, err = x.Machine(ctx, "pc9")
	wantErr[*NotFoundError](t, err, `no machine "pc9": there are pc1, pc2`)
}

func TestNoImagesYet(t *testing.T) {
	x := newSite(t)
	_, err := x.AddMachine(t.Context(), Machine{Name: "pc1", MACs: []string{"52:54:00:00:00:01"}, Image: "debian:12"})
	wantErr[*NotFoundError](t, err, `no image "debian:12": there are no images yet`)
}

func TestSetMachine(t *testing.T) {
	x := newSite(t)
	ctx := t.Context()
	x.image("debian:12")
	x.image("debian:13")
	old := x.machine("pc1", "debian:12")
	x.machine("pc2", "debian:12")
	m, err := x.SetMachine(ctx, "pc1", func(m *Machine) error {
		m.Name, m.Identity = "other", Identity{}
		m.MACs, m.Image, m.Mode = []string{"52:54:00:00:00:99"}, "debian:13", Ephemeral
		return nil
	})
	if err != nil || m.Name != "pc1" || m.Identity.MachineID != old.Identity.MachineID || m.Image != "debian:13" {
		t.Errorf("%+v, %v", m, err)
	}
	if _, err := x.MachineByMAC(ctx, old.MACs[0]); err == nil {
		t.Error("the old MAC still finds the machine")
	}
	if m, err := x.MachineByMAC(ctx, "52:54:00:00:00:99"); err != nil || m.Name != "pc1" {
		t.Errorf("by the new MAC: %v", err)
	}
	_, err = x.SetMachine(ctx, "pc2", func(m *Machine) error { m.MACs = append(m.MACs, "52:54:00:00:00:99"); return nil })
	if err == nil || !strings.Contains(err.Error(), "belongs to machine pc1") {
		t.Errorf("stole a MAC: %v", err)
	}
	_, err = x.SetMachine(ctx, "pc3", func(*Machine) error { return nil })
	wantErr[*NotFoundError](t, err, `no machine "pc3": there are pc1, pc2`)
}

func TestRemoveMachine(t *testing.T) {
	x := newSite(t)
	ctx := t.Context()
	x.image("debian:12")
	m := x.machine("pc1", "debian:12")
	v := x.volume("pc1", "debian:12", Persistent, "")
	boot, _, err := x.OpenBoot(ctx, "pc1")
	if err != nil {
		t.Fatal(err)
	}
	wantErr[*InUseError](t, x.RemoveMachine(ctx, "pc1"),
		"machine \"pc1\" is in use by volume "+v.ID+": remove what it has first with `bootes volume rm "+v.ID+"`")
	if _, err := x.DropVolume(ctx, v.ID); err != nil {
		t.Fatal(err)
	}
	if err := x.RemoveMachine(ctx, "pc1"); err != nil {
		t.Fatal(err)
	}
	if _, err := x.Boot(ctx, boot.ID); err == nil {
		t.Error("credentials outlive the machine")
	}
	if _, err := x.MachineByMAC(ctx, m.MACs[0]); err == nil {
		t.Error("MAC outlives the machine")
	}
	x.machine("pc1", "debian:12")
	again, _, err := x.OpenBoot(ctx, "pc1")
	if err != nil || again.ID == boot.ID {
		t.Errorf("boot %q of the new machine, %v", again.ID, err)
	}
}

func (x *site) volume(machine, image string, mode Mode, boot string) Volume {
	x.t.Helper()
	v, err := x.AddVolume(x.t.Context(), Volume{ID: NewVolumeID(machine), Machine: machine, Image: image, Layer: "layer-" + image, Mode: mode, Boot: boot})
	if err != nil {
		x.t.Fatal(err)
	}
	return v
}

func TestImageRules(t *testing.T) {
	x := newSite(t)
	ctx := t.Context()
	x.image("debian:12")
	x.image("old:1")
	x.machine("pc1", "debian:12")
	_, err := x.AddImage(ctx, Image{Name: "debian", Tag: "12", Layer: "y"})
	const exists = "image \"debian:12\" exists already: choose another tag, or remove it first with `bootes image rm debian:12`"
	wantErr[*ExistsError](t, err, exists)
	wantErr[*ExistsError](t, x.CheckNewImage(ctx, "debian:12"), exists)
	if err := x.CheckNewImage(ctx, "debian:14"); err != nil {
		t.Error(err)
	}
	_, err = x.RemoveImage(ctx, "debian:12", Users{})
	wantErr[*InUseError](t, err, "image \"debian:12\" is in use by machine pc1: first give that machine another image with `bootes machine set pc1 --image IMAGE`")
	v := x.volume("pc1", "debian:12", Persistent, "")
	if _, err := x.SetMachine(ctx, "pc1", func(m *Machine) error { m.Image = "old:1"; return nil }); err != nil {
		t.Fatal(err)
	}
	_, err = x.RemoveImage(ctx, "debian:12", Users{})
	wantErr[*InUseError](t, err, "image \"debian:12\" is in use by volume "+v.ID+": first remove that volume with `bootes volume rm "+v.ID+"` or make it stand alone with `bootes volume flatten "+v.ID+"`")
	if _, err := x.DropVolume(ctx, v.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := x.RemoveImage(ctx, "debian:12", Users{}); err != nil {
		t.Error(err)
	}
	_, err = x.RemoveImage(ctx, "debian:12", Users{})
	wantErr[*NotFoundError](t, err, `no image "debian:12": there are old:1`)

	removals, err := x.Removals(ctx)
	if err != nil || fmt.Sprint(removals) != fmt.Sprintf("[{layer layer-debian:12} {volume %s}]", v.ID) {
		t.Errorf("removals %v, %v", removals, err)
	}
	for _, r := range removals {
		if err := x.ClearRemoval(ctx, r); err != nil {
			t.Error(err)
		}
	}
	if left, _ := x.Removals(ctx); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

func TestVolumeRules(t *testing.T) {
	x := newSite(t)
	ctx := t.Context()
	x.image("debian:12")
	x.machine("pc1", "debian:12")
	add := func(v Volume) error { _, err := x.AddVolume(ctx, v); return err }
	v := x.volume("pc1", "debian:12", Persistent, "")
	wantErr[*VolumeExistsError](t, add(Volume{ID: "pc1-2", Machine: "pc1", Image: "debian:12", Layer: "layer-debian:12", Mode: Persistent}),
		`machine "pc1" has its volume "`+v.ID+`" already`)
	wantErr[*NotFoundError](t, add(Volume{ID: "pc2-1", Machine: "pc2", Image: "debian:12"}), `no machine "pc2": there are pc1`)
	wantErr[*NotFoundError](t, add(Volume{ID: "pc1-3", Machine: "pc1", Image: "debian:13"}), `no image "debian:13": there are debian:12`)
	wantErr[*NotFoundError](t, add(Volume{ID: "pc1-4", Machine: "pc1", Image: "debian:12", Layer: "layer-debian:12", Mode: Ephemeral, Boot: "pc1-7"}), `no boot "pc1-7"`)
	if err := add(Volume{ID: "pc1-5", Machine: "pc1", Image: "debian:12", Layer: "of before"}); err == nil || !strings.Contains(err.Error(), "replaced meanwhile") {
		t.Errorf("got %v", err)
	}

	found, err := x.FindVolume(ctx, "pc1", "debian:12", Persistent, "pc1-1")
	if err != nil || found.ID != v.ID {
		t.Errorf("found %q, %v", found.ID, err)
	}
	_, err = x.FindVolume(ctx, "pc1", "debian:12", Ephemeral, "pc1-1")
	wantErr[*NotFoundError](t, err, `no ephemeral volume of debian:12 for machine "pc1"`)

	if v, err := x.SetVolumeLimit(ctx, v.ID, 1<<30); err != nil || v.Limit != 1<<30 {
		t.Errorf("limit %d, %v", v.Limit, err)
	}
	_, err = x.SetVolumeLimit(ctx, v.ID, -1)
	wantErr[*InvalidError](t, err, `limit "-1" is not valid: it is a number of bytes, 0 for none`)
	_, err = x.Volume(ctx, "ghost")
	wantErr[*NotFoundError](t, err, `no volume "ghost": there are `+v.ID)
}

func TestWatchMachines(t *testing.T) {
	x := newSite(t)
	x.image("debian:12")
	x.machine("pc1", "debian:12")
	ctx, cancel := context.WithCancel(t.Context())
	seen := make(chan string, 10)
	done := make(chan error)
	go func() {
		done <- x.WatchMachines(ctx, func(es []store.Event[Machine]) error {
			for _, e := range es {
				seen <- fmt.Sprint(e.Key, " ", e.Deleted)
			}
			return nil
		})
	}()
	if got := <-seen; got != "pc1 false" {
		t.Errorf("first %q", got)
	}
	x.machine("pc2", "debian:12")
	if got := <-seen; got != "pc2 false" {
		t.Errorf("then %q", got)
	}
	if err := x.RemoveMachine(ctx, "pc1"); err != nil {
		t.Fatal(err)
	}
	if got := <-seen; got != "pc1 true" {
		t.Errorf("last %q", got)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
