package inventory

import (
	"encoding/json"
	"testing"
	"time"
)

func (x *site) tag(ref, image string) Tag {
	x.t.Helper()
	tag, err := x.SetTag(x.t.Context(), ref, image)
	if err != nil {
		x.t.Fatal(err)
	}
	return tag
}

func TestTags(t *testing.T) {
	x := newSite(t)
	ctx := t.Context()
	x.image("debian:12")
	x.image("debian:13")

	first := x.tag("debian:stable", "debian:12")
	if want := (Tag{Ref: "debian:stable", Image: "debian:12", Moved: x.now}); first != want {
		t.Errorf("first: %+v, want %+v", first, want)
	}
	x.later(time.Hour)
	if again := x.tag("debian:stable", "debian:12"); again != first {
		t.Errorf("not moved, and changed: %+v", again)
	}
	if moved := x.tag("debian:stable", "debian:13"); moved.Image != "debian:13" || moved.Previous != "debian:12" || moved.Moved != x.now {
		t.Errorf("moved: %+v", moved)
	}
	if i, err := x.Resolve(ctx, "debian:stable"); err != nil || i.Ref() != "debian:13" {
		t.Errorf("resolves to %s, %v", i.Ref(), err)
	}
	if back := x.tag("debian:stable", "debian:12"); back.Previous != "debian:13" {
		t.Errorf("moved back: %+v", back)
	}
	// A tag of a tag is a tag of what that points to now.
	if other := x.tag("lab:now", "debian:stable"); other.Image != "debian:12" {
		t.Errorf("of a tag: %+v", other)
	}
	x.tag("debian:stable", "debian:13")
	if i, err := x.Resolve(ctx, "lab:now"); err != nil || i.Ref() != "debian:12" {
		t.Errorf("it followed another tag to %s, %v", i.Ref(), err)
	}
	if i, err := x.Resolve(ctx, "debian:12"); err != nil || i.Ref() != "debian:12" {
		t.Errorf("an image resolves to %s, %v", i.Ref(), err)
	}
}

func TestTagRules(t *testing.T) {
	x := newSite(t)
	ctx := t.Context()
	x.image("debian:12")
	x.image("debian:13")
	x.tag("debian:stable", "debian:12")
	set := func(ref, image string) error { _, err := x.SetTag(ctx, ref, image); return err }

	wantErr[*ExistsError](t, set("debian:13", "debian:12"),
		`image "debian:13" exists already: what machines boot never changes under an image's name: give the tag a name of its own, such as "debian:stable"`)
	wantErr[*InvalidError](t, set("stable", "debian:12"),
		`tag "stable" is not valid: write it as name:tag, such as "debian:stable"`)
	wantErr[*NotFoundError](t, set("debian:next", "debian:14"),
		`no image "debian:14": there are debian:12, debian:13, debian:stable`)
	const taken = "tag \"debian:stable\" exists already: it points to debian:12; give the image a name of its own, and then move the tag to it with `bootes image tag debian:stable IMAGE`"
	wantErr[*ExistsError](t, x.CheckNewImage(ctx, "debian:stable"), taken)
	_, err := x.AddImage(ctx, Image{Name: "debian", Tag: "stable"})
	wantErr[*ExistsError](t, err, taken)

	x.machine("pc1", "debian:stable")
	v := x.volume("pc1", "debian:12", Persistent, "")
	_, err = x.RemoveImage(ctx, "debian:12", Users{Images: []string{"debian:14", "debian:13"}, Snapshots: []string{"pc9-1@a"}, Disks: []string{v.ID, "pc9-1"}})
	wantErr[*InUseError](t, err, "image \"debian:12\" is in use by volume "+v.ID+", volume pc9-1, snapshot pc9-1@a, tag debian:stable, image debian:13, image debian:14: first "+
		"remove that volume with `bootes volume rm "+v.ID+"` or make it stand alone with `bootes volume flatten "+v.ID+"`, make that volume stand alone with `bootes volume flatten pc9-1`, remove that snapshot with `bootes volume rm pc9-1@a`, "+
		"move that tag with `bootes image tag debian:stable IMAGE` or remove it with `bootes image rm debian:stable`, "+
		"make those images stand alone with `bootes image flatten IMAGE`")
	wantErr[*InUseError](t, x.RemoveTag(ctx, "debian:stable"),
		"tag \"debian:stable\" is in use by machine pc1: first give that machine another image with `bootes machine set pc1 --image debian:12`")
	x.machine("pc2", "debian:stable")
	wantErr[*InUseError](t, x.RemoveTag(ctx, "debian:stable"),
		"tag \"debian:stable\" is in use by machine pc1, machine pc2: first give those machines another image with `bootes machine set MACHINE --image debian:12`")
	for _, m := range []string{"pc1", "pc2"} {
		if _, err := x.SetMachine(ctx, m, func(m *Machine) error { m.Image = "debian:13"; return nil }); err != nil {
			t.Fatal(err)
		}
	}
	if err := x.RemoveTag(ctx, "debian:stable"); err != nil {
		t.Error(err)
	}
	wantErr[*NotFoundError](t, x.RemoveTag(ctx, "debian:stable"), `no tag "debian:stable": there are no tags yet`)
	if tags, err := x.Tags(ctx); err != nil || len(tags) != 0 {
		t.Errorf("left: %v, %v", tags, err)
	}
}

// A moved tag leaves a persistent volume where it is, and its machine on it.
func TestVolumesAreFoundByWhatWasAskedFor(t *testing.T) {
	x := newSite(t)
	ctx := t.Context()
	x.image("debian:12")
	x.image("debian:13")
	x.tag("debian:stable", "debian:12")
	x.machine("pc1", "debian:stable")
	v, err := x.AddVolume(ctx, Volume{ID: "pc1-1", Machine: "pc1", Ref: "debian:stable", Image: "debian:12", Layer: "layer-debian:12", Mode: Persistent})
	if err != nil {
		t.Fatal(err)
	}
	newer := func(want string) {
		t.Helper()
		n, err := x.Names(ctx)
		if got := n.Newer(v); err != nil || got != want {
			t.Errorf("newer: %q, %v; want %q", got, err, want)
		}
	}
	newer("")
	x.tag("debian:stable", "debian:13")
	newer("debian:13")
	if n, err := x.Names(ctx); err != nil || len(n.Tags("debian:12")) != 0 || n.Tags("debian:13")[0] != "debian:stable" {
		t.Errorf("tags of images: %+v, %v", n, err)
	}
	if found, err := x.FindVolume(ctx, "pc1", "debian:stable", Persistent, ""); err != nil || found.ID != v.ID {
		t.Errorf("found %q, %v", found.ID, err)
	}
	_, err = x.FindVolume(ctx, "pc1", "debian:13", Persistent, "")
	wantErr[*NotFoundError](t, err, `no persistent volume of debian:13 for machine "pc1"`)
}

// A machine whose disk was made of debian:12 keeps it when debian:12 is named in
// another way, and only then.
func TestSameImageByAnotherName(t *testing.T) {
	x := newSite(t)
	ctx := t.Context()
	x.image("debian:12")
	x.image("debian:13")
	x.tag("debian:stable", "debian:12")
	x.machine("pc1", "debian:12")
	v := x.volume("pc1", "debian:12", Persistent, "")
	for _, tt := range []struct{ image, ref string }{
		{"debian:stable", "debian:stable"},
		{"debian:13", "debian:stable"}, // another image: the disk waits
		{"debian:stable", "debian:stable"},
		{"debian:12", "debian:12"},
	} {
		if _, err := x.SetMachine(ctx, "pc1", func(m *Machine) error { m.Image = tt.image; return nil }); err != nil {
			t.Fatal(err)
		}
		if got, err := x.Volume(ctx, v.ID); err != nil || got.Ref != tt.ref {
			t.Errorf("machine set to %s: the disk is for %q, %v; want %q", tt.image, got.Ref, err, tt.ref)
		}
	}
}

func TestRecordsOfBeforeTags(t *testing.T) {
	var v Volume
	if err := json.Unmarshal([]byte(`{"id":"pc1-1","machine":"pc1","image":"debian:12","mode":"persistent"}`), &v); err != nil || v.Ref != "debian:12" {
		t.Errorf("%+v, %v", v, err)
	}
	if err := json.Unmarshal([]byte(`{"ref":"debian:stable","image":"debian:12"}`), &v); err != nil || v.Ref != "debian:stable" {
		t.Errorf("%+v, %v", v, err)
	}
}
