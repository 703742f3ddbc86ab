package inventory

import (
	"errors"
	"fmt"
	"sync"
	"testing"
)

func (x *site) boot(machine string) Boot {
	x.t.Helper()
	b, _, err := x.OpenBoot(x.t.Context(), machine)
	if err != nil {
		x.t.Fatal(err)
	}
	return b
}

func ids(boots []Boot) string {
	s := ""
	for _, b := range boots {
		s += " " + b.ID
		if b.Current {
			s += "*"
		}
	}
	return s
}

func (x *site) boots(machine string) string {
	x.t.Helper()
	bs, err := x.Boots(x.t.Context(), machine)
	if err != nil {
		x.t.Fatal(err)
	}
	return ids(bs)
}

func TestCredentialsSurviveRestart(t *testing.T) {
	x := newSite(t)
	x.image("debian:12")
	x.machine("pc1", "debian:12")
	b := x.boot("pc1")
	if b.ID != "pc1-1" || b.User != b.ID || len(b.Secret) != 16 || b.Current {
		t.Errorf("%+v", b)
	}
	if other := x.boot("pc1"); other.Secret == b.Secret {
		t.Error("two boots with one secret")
	}
	v := x.volume("pc1", "debian:12", Persistent, "")
	if _, err := x.SetBoot(t.Context(), b.ID, func(b *Boot) { b.Volume, b.Digest, b.Secret = v.ID, "sha256:1", "stolen" }); err != nil {
		t.Fatal(err)
	}
	var missing *NotFoundError
	if _, err := x.SetBoot(t.Context(), b.ID, func(b *Boot) { b.Volume = "gone" }); !errors.As(err, &missing) {
		t.Errorf("a volume that is not there: %v", err)
	}
	if _, _, err := x.Promote(t.Context(), b.ID); err != nil {
		t.Fatal(err)
	}
	x.restart()
	got, err := x.Boot(t.Context(), b.ID)
	if err != nil || got.Secret != b.Secret || !got.Current || got.Volume != v.ID || got.Digest != "sha256:1" {
		t.Errorf("%+v, %v", got, err)
	}
}

// A flood of DISCOVERs must not take the credentials of a machine that is on
// its way from its script to its disk.
func TestPendingBootsWithoutADiskGoFirst(t *testing.T) {
	x := newSite(t)
	x.image("debian:12")
	x.machine("pc1", "debian:12")
	scripted := x.boot("pc1")
	v := x.volume("pc1", "debian:12", Ephemeral, scripted.ID)
	if _, err := x.SetBoot(t.Context(), scripted.ID, func(b *Boot) { b.Volume = v.ID }); err != nil {
		t.Fatal(err)
	}
	for range 10 {
		x.boot("pc1")
	}
	if got, want := x.boots("pc1"), " pc1-1 pc1-9 pc1-10 pc1-11"; got != want {
		t.Errorf("boots %s, want %s", got, want)
	}
}

func TestPendingBootsAreBounded(t *testing.T) {
	x := newSite(t)
	x.image("debian:12")
	x.machine("pc1", "debian:12")
	first := x.boot("pc1")
	if _, _, err := x.Promote(t.Context(), first.ID); err != nil {
		t.Fatal(err)
	}
	x.boot("pc1")
	v := x.volume("pc1", "debian:12", Ephemeral, "pc1-2")
	for range 3 {
		x.boot("pc1")
	}
	_, gone, err := x.OpenBoot(t.Context(), "pc1")
	if err != nil || ids(gone.Boots) != " pc1-2" || len(gone.Volumes) != 1 || gone.Volumes[0].ID != v.ID {
		t.Errorf("dropped %+v, %v", gone, err)
	}
	if got := x.boots("pc1"); got != " pc1-1* pc1-3 pc1-4 pc1-5 pc1-6" {
		t.Errorf("left%s", got)
	}
}

func TestPromote(t *testing.T) {
	x := newSite(t)
	ctx := t.Context()
	x.image("debian:12")
	x.machine("pc1", "debian:12")
	keep := x.volume("pc1", "debian:12", Persistent, "")
	for range 4 {
		x.boot("pc1")
	}
	v1 := x.volume("pc1", "debian:12", Ephemeral, "pc1-1")
	x.volume("pc1", "debian:12", Ephemeral, "pc1-3")

	if _, gone, err := x.Promote(ctx, "pc1-1"); err != nil || len(gone.Boots)+len(gone.Volumes) != 0 {
		t.Fatalf("first: %+v, %v", gone, err)
	}
	b, gone, err := x.Promote(ctx, "pc1-3")
	if err != nil || !b.Current || ids(gone.Boots) != " pc1-1* pc1-2" || len(gone.Volumes) != 1 || gone.Volumes[0].ID != v1.ID {
		t.Fatalf("newer: %+v, %+v, %v", b, gone, err)
	}
	if got := x.boots("pc1"); got != " pc1-3* pc1-4" {
		t.Errorf("left%s", got)
	}
	// The kernel logs in after the firmware, with the same credentials.
	if _, gone, err := x.Promote(ctx, "pc1-3"); err != nil || len(gone.Boots)+len(gone.Volumes) != 0 {
		t.Errorf("again: %+v, %v", gone, err)
	}
	_, _, err = x.Promote(ctx, "pc1-2")
	wantErr[*StaleBootError](t, err, `boot "pc1-2" is older than "pc1-3", which holds the disk`)
	_, err = x.Boot(ctx, "pc1-1")
	wantErr[*StaleBootError](t, err, `boot "pc1-1" is older than "pc1-3", which holds the disk`)
	for _, id := range []string{"pc1-9", "pc2-1", "pc1", "pc1-", "pc1-x", "-1", "", "pc1-03", "pc1-99999999999999999999"} {
		_, _, err = x.Promote(ctx, id)
		wantErr[*NotFoundError](t, err, fmt.Sprintf("no boot %q", id))
		_, err = x.Boot(ctx, id)
		wantErr[*NotFoundError](t, err, fmt.Sprintf("no boot %q", id))
	}
	if _, err := x.Volume(ctx, keep.ID); err != nil {
		t.Errorf("the persistent volume: %v", err)
	}
}

// TestPromoteRace: an older boot that still waits does not win over a newer
// one, in whatever order they come.
func TestPromoteRace(t *testing.T) {
	x := newSite(t)
	x.image("debian:12")
	x.machine("pc1", "debian:12")
	for range 4 {
		x.boot("pc1")
	}
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() { x.Promote(t.Context(), fmt.Sprintf("pc1-%d", i+1)) })
	}
	wg.Wait()
	if got := x.boots("pc1"); got != " pc1-4*" {
		t.Errorf("left%s", got)
	}
}

func TestDropBoots(t *testing.T) {
	x := newSite(t)
	ctx := t.Context()
	x.image("debian:12")
	for _, m := range []string{"pc1", "pc2"} {
		x.machine(m, "debian:12")
		b := x.boot(m)
		x.volume(m, "debian:12", Ephemeral, b.ID)
		if _, _, err := x.Promote(ctx, b.ID); err != nil {
			t.Fatal(err)
		}
	}
	gone, err := x.DropBoots(ctx, func(Boot) bool { return false })
	if err != nil || len(gone.Boots) != 2 || len(gone.Volumes) != 2 {
		t.Errorf("%+v, %v", gone, err)
	}
	_, err = x.Boot(ctx, "pc1-1")
	wantErr[*NotFoundError](t, err, `no boot "pc1-1"`)
	if b := x.boot("pc1"); b.ID != "pc1-2" {
		t.Errorf("next is %s", b.ID)
	}
}

func TestUnknownMachineBoots(t *testing.T) {
	x := newSite(t)
	_, _, err := x.OpenBoot(t.Context(), "ghost")
	wantErr[*NotFoundError](t, err, `no machine "ghost": there are no machines yet`)
}

// TestOneVolumePerBoot: many askers at once get one.
func TestOneVolumePerBoot(t *testing.T) {
	x := newSite(t)
	x.image("debian:12")
	x.machine("pc1", "debian:12")
	b := x.boot("pc1")
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			x.AddVolume(t.Context(), Volume{ID: NewVolumeID("pc1"), Machine: "pc1", Image: "debian:12", Layer: "layer-debian:12", Mode: Ephemeral, Boot: b.ID})
		})
	}
	wg.Wait()
	vs, err := x.Volumes(t.Context())
	if err != nil || len(vs) != 1 {
		t.Errorf("%d volumes, %v", len(vs), err)
	}
}
