package inventory

import (
	"errors"
	"testing"
)

func (x *site) update(machine, image string) Volume {
	x.t.Helper()
	return x.volume(machine, image, Updating, "")
}

func TestUpdateMode(t *testing.T) {
	x := newSite(t)
	ctx := t.Context()
	x.image("debian:12")
	x.machine("pc1", "debian:12")
	own := x.volume("pc1", "debian:12", Persistent, "")

	v := x.update("pc1", "debian:12")
	m, err := x.Machine(ctx, "pc1")
	if err != nil || m.Update == nil || *m.Update != (Update{Image: "debian:12", Volume: v.ID, Started: x.now}) {
		t.Fatalf("update %+v, %v", m.Update, err)
	}
	_, err = x.AddVolume(ctx, Volume{ID: "pc1-2", Machine: "pc1", Image: "debian:12", Layer: "layer-debian:12", Mode: Updating})
	wantErr[*UpdateError](t, err, "machine \"pc1\" is in update mode already, for the image that follows debian:12: publish it with `bootes image publish pc1 NAME:TAG`, or give it up with `bootes image update --cancel pc1`")
	if !Refused(err) {
		t.Error("no refusal")
	}
	if found, err := x.FindVolume(ctx, "pc1", "debian:12", Persistent, ""); err != nil || found.ID != own.ID {
		t.Errorf("its own volume: %q, %v", found.ID, err)
	}
	if m, err = x.SetMachine(ctx, "pc1", func(m *Machine) error { m.Update = nil; return nil }); err != nil || m.Update == nil {
		t.Errorf("a change of the machine ended it: %v", err)
	}
	if _, err := x.DropVolume(ctx, v.ID); err != nil {
		t.Fatal(err)
	}
	if m, err := x.Machine(ctx, "pc1"); err != nil || m.Update != nil {
		t.Errorf("without its volume: %+v, %v", m.Update, err)
	}
}

// What Publish does it does all at once.
func TestPublish(t *testing.T) {
	x := newSite(t)
	ctx := t.Context()
	x.image("debian:12")
	x.tag("debian:stable", "debian:12")
	x.machine("pc1", "debian:stable")
	next := func(volume, tag, point string) Published {
		return Published{Machine: "pc1", Volume: volume, Tag: point, Image: Image{Name: "debian", Tag: tag, Layer: "layer-next"}}
	}
	_, _, err := x.Publish(ctx, next("pc1-1", "13", ""))
	wantErr[*UpdateError](t, err, "machine \"pc1\" is not in update mode: begin with `bootes image update IMAGE --machine pc1`")
	v := x.update("pc1", "debian:12")
	for _, p := range []Published{next(v.ID, "12", ""), next(v.ID, "13", "debian:12"), next("pc1-other", "13", "")} {
		if _, _, err := x.Publish(ctx, p); !Refused(err) {
			t.Errorf("%+v: %v", p, err)
		}
		m, err := x.Machine(ctx, "pc1")
		if _, missing := x.Image(ctx, "debian:13"); err != nil || m.Update == nil || missing == nil {
			t.Errorf("%+v was refused and left a trace", p)
		}
	}
	wantErr[*InvalidError](t, x.CheckPublish(ctx, "debian:13", "debian:13"), `tag "debian:13" is not valid: it is the image's own name: the tag needs another one`)
	if err := x.CheckPublish(ctx, "debian:13", "debian:stable"); err != nil {
		t.Error(err)
	}
	i, tag, err := x.Publish(ctx, next(v.ID, "13", "debian:stable"))
	if err != nil || i.Created != x.now || tag.Previous != "debian:12" {
		t.Errorf("%+v, %+v, %v", i, tag, err)
	}
	if to, err := x.Resolve(ctx, "debian:stable"); err != nil || to.Ref() != "debian:13" {
		t.Errorf("the tag points to %s, %v", to.Ref(), err)
	}
	if m, err := x.Machine(ctx, "pc1"); err != nil || m.Update != nil {
		t.Errorf("still in update mode: %v", err)
	}
	if _, err := x.Volume(ctx, v.ID); err != nil {
		t.Errorf("the volume: %v", err)
	}
}

func TestVolumeRecordChanges(t *testing.T) {
	x := newSite(t)
	ctx := t.Context()
	x.image("debian:12")
	x.image("debian:13")
	x.machine("pc1", "debian:12")
	v := x.volume("pc1", "debian:12", Persistent, "")
	boot, _, err := x.OpenBoot(ctx, "pc1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := x.SetBoot(ctx, boot.ID, func(b *Boot) { b.Volume = v.ID }); err != nil {
		t.Fatal(err)
	}
	if _, err := x.DetachVolume(ctx, v.ID); err != nil {
		t.Fatal(err)
	}
	if b, err := x.Boot(ctx, boot.ID); err != nil || b.Volume != "" {
		t.Errorf("the boot has %q still, %v", b.Volume, err)
	}

	v, err = x.SetVolume(ctx, v.ID, func(v *Volume) {
		v.Image, v.Layer, v.Machine, v.Mode = "debian:13", "layer-debian:13", "pc9", Ephemeral
		v.Snapshots = map[string]Snapshot{"before": {Image: "debian:12", Layer: "layer-debian:12"}}
	})
	if err != nil || v.Image != "debian:13" || v.Machine != "pc1" || v.Mode != Persistent {
		t.Errorf("%+v, %v", v, err)
	}
	_, err = x.SetVolume(ctx, v.ID, func(v *Volume) { v.Layer = "another" })
	if !errors.Is(err, ErrReplaced) {
		t.Errorf("on a layer that its image has not: %v", err)
	}
	if _, err := x.SetMachine(ctx, "pc1", func(m *Machine) error { m.Image = "debian:13"; return nil }); err != nil {
		t.Fatal(err)
	}
	_, err = x.RemoveImage(ctx, "debian:12", Users{})
	wantErr[*InUseError](t, err, "image \"debian:12\" is in use by snapshot "+v.ID+"@before: first remove that snapshot with `bootes volume rm "+v.ID+"@before`")

	if err := x.SetImageDigest(ctx, "layer-debian:13", "sha256:13"); err != nil {
		t.Fatal(err)
	}
	i, err := x.Image(ctx, "debian:13")
	if err != nil || i.Digest != "sha256:13" {
		t.Errorf("image: %+v, %v", i, err)
	}
	if err := x.DropSnapshot(ctx, v.ID, "before"); err != nil {
		t.Fatal(err)
	}
	left, err := x.Removals(ctx)
	if err != nil || len(left) != 1 || left[0] != (Removal{Kind: RemoveSnapshot, ID: v.ID + "@before"}) {
		t.Errorf("notes: %v, %v", left, err)
	}
}
