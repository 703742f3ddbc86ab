package inventory

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// yard is a site with two machines, an image, a CD-ROM and two data volumes.
func yard(t *testing.T) *site {
	t.Helper()
	x := newSite(t)
	ctx := t.Context()
	for _, i := range []Image{{Name: "debian", Tag: "12", Layer: "l1"}, {Name: "tools", Tag: "1", Layer: "l2", Kind: CDROM}} {
		if _, err := x.AddImage(ctx, i); err != nil {
			t.Fatal(err)
		}
	}
	for n, name := range []string{"pc01", "pc02"} {
		m := Machine{Name: name, MACs: []string{fmt.Sprintf("52:54:00:00:00:0%d", n+1)}, Image: "debian:12"}
		if _, err := x.AddMachine(ctx, m); err != nil {
			t.Fatal(err)
		}
	}
	for _, v := range []Volume{{ID: "data1", Mode: Data}, {ID: "quorum", Mode: Data, Shareable: true}} {
		if err := x.PrepareData(ctx, v); err != nil {
			t.Fatal(err)
		}
		if _, err := x.AddVolume(ctx, v); err != nil {
			t.Fatal(err)
		}
	}
	return x
}

// wantError fails unless err says text.
func wantError(t *testing.T, err error, text string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), text) {
		t.Errorf("error %v\nwant   %s", err, text)
	}
}

func (x *site) attach(machine string, a Attachment) Attachment {
	x.t.Helper()
	a, err := x.Attach(x.t.Context(), machine, a)
	if err != nil {
		x.t.Fatal(err)
	}
	return a
}

func TestAttach(t *testing.T) {
	x := yard(t)
	ctx := t.Context()
	if _, err := x.SetTag(ctx, "tools:now", "tools:1"); err != nil {
		t.Fatal(err)
	}
	if a := x.attach("pc01", Attachment{LUN: 3, Volume: "data1"}); a != (Attachment{LUN: 3, Volume: "data1"}) {
		t.Errorf("%+v", a)
	}
	// A tag is what it points to now, an image always read-only, and the first
	// free number comes in order.
	if a := x.attach("pc01", Attachment{Image: "tools:now"}); a != (Attachment{LUN: 2, Image: "tools:1", ReadOnly: true}) {
		t.Errorf("%+v", a)
	}
	if a := x.attach("pc01", Attachment{Volume: "quorum"}); a.LUN != 4 {
		t.Errorf("%+v", a)
	}
	x.attach("pc02", Attachment{Volume: "quorum", ReadOnly: true})
	m, err := x.Machine(ctx, "pc01")
	if err != nil || fmt.Sprint(m.Disks) != "[{2  tools:1 true} {3 data1  false} {4 quorum  false}]" {
		t.Errorf("%v %v", m.Disks, err)
	}
	at, err := x.AttachedTo(ctx, "quorum")
	if err != nil || fmt.Sprint(at) != "[machine pc01 (LUN 4) machine pc02 (LUN 2)]" {
		t.Errorf("%v %v", at, err)
	}

	// Nothing that is attached changes what a machine is otherwise.
	if _, err := x.SetMachine(ctx, "pc01", func(m *Machine) error { m.Disks, m.Limit = nil, 1; return nil }); err != nil {
		t.Fatal(err)
	}
	gone, err := x.Detach(ctx, "pc01", 3)
	if err != nil || gone.Volume != "data1" {
		t.Errorf("%+v %v", gone, err)
	}
	x.attach("pc02", Attachment{Volume: "data1"})
	if err := x.RemoveMachine(ctx, "pc02"); err != nil {
		t.Fatal(err)
	}
	x.attach("pc01", Attachment{Volume: "data1"})
}

func TestAttachRefuses(t *testing.T) {
	x := yard(t)
	ctx := t.Context()
	if _, err := x.AddVolume(ctx, Volume{ID: "pc02-0a1b2c3d", Machine: "pc02", Mode: Persistent, Image: "debian:12", Layer: "l1"}); err != nil {
		t.Fatal(err)
	}
	x.attach("pc01", Attachment{LUN: 2, Volume: "data1"})
	x.attach("pc01", Attachment{LUN: 3, Volume: "quorum"})
	for _, c := range []struct {
		machine string
		a       Attachment
		want    string
	}{
		{"pc09", Attachment{Volume: "data1"}, `no machine "pc09": there are pc01, pc02`},
		{"pc02", Attachment{Volume: "data9"}, `no volume "data9": there are data1, pc02-0a1b2c3d, quorum`},
		{"pc02", Attachment{Image: "win:11"}, `no image "win:11": there are debian:12, tools:1`},
		{"pc02", Attachment{}, `attachment "" is not valid: it is a volume or an image, one of them`},
		{"pc02", Attachment{LUN: 1, Volume: "quorum"}, `LUN "1" is not valid: it is a number from 2 to 254: 0 is the machine's own disk, 1 its identity`},
		{"pc02", Attachment{LUN: 255, Volume: "quorum"}, `LUN "255" is not valid`},
		{"pc01", Attachment{LUN: 2, Image: "tools:1"}, "LUN \"2\" belongs to volume data1 already: choose another number, or none for the first free one, or detach that with `bootes machine detach pc01 --lun 2`"},
		{"pc01", Attachment{Volume: "quorum"}, `attachment "quorum" belongs to machine pc01 (LUN 3) already: a machine has a volume once`},
		{"pc02", Attachment{Volume: "data1"}, "volume \"data1\" is in use by machine pc01 (LUN 2): detach it with `bootes machine detach pc01 --lun 2`, or, if what runs on them expects others to write to it, let several have it with `bootes volume set data1 --shared=on`"},
		{"pc01", Attachment{Volume: "pc02-0a1b2c3d"}, "volume \"pc02-0a1b2c3d\" is the disk of machine pc02: what is attached are data volumes, which `bootes volume create NAME --size SIZE` makes"},
	} {
		_, err := x.Attach(ctx, c.machine, c.a)
		wantError(t, err, c.want)
		if !Refused(err) {
			t.Errorf("%v counts as a failure", err)
		}
	}
	_, err := x.Detach(ctx, "pc01", 9)
	wantError(t, err, `no LUN "9 of machine pc01": there are 2 (volume data1), 3 (volume quorum)`)
	for range 251 {
		x.attach("pc02", Attachment{Image: "tools:1"})
	}
	x.attach("pc02", Attachment{Image: "tools:1", LUN: LastLUN})
	x.attach("pc02", Attachment{Image: "tools:1"})
	_, err = x.Attach(ctx, "pc02", Attachment{Image: "tools:1"})
	wantError(t, err, `machine pc02 has 253 disks attached, the most there can be`)
}

// What is attached stays, and the refusal says what helps.
func TestAttachedStays(t *testing.T) {
	x := yard(t)
	ctx := t.Context()
	x.attach("pc01", Attachment{Volume: "quorum"})
	x.attach("pc02", Attachment{Volume: "quorum"})
	x.attach("pc02", Attachment{Image: "tools:1"})
	_, err := x.DropVolume(ctx, "quorum")
	wantError(t, err, "volume \"quorum\" is in use by machine pc01 (LUN 2), machine pc02 (LUN 2): first detach it with `bootes machine detach pc01 --lun 2`, `bootes machine detach pc02 --lun 2`")
	_, err = x.RemoveImage(ctx, "tools:1", Users{})
	wantError(t, err, "image \"tools:1\" is in use by machine pc02 (LUN 3): first detach it with `bootes machine detach pc02 --lun 3`")
	_, err = x.SetUnit(ctx, "quorum", func(v *Volume) { v.Shareable = false })
	wantError(t, err, `volume "quorum" is in use by machine pc01 (LUN 2), machine pc02 (LUN 2)`)

	if _, err := x.Detach(ctx, "pc01", 2); err != nil {
		t.Fatal(err)
	}
	v, err := x.SetUnit(ctx, "quorum", func(v *Volume) { v.Shareable, v.IOPS, v.Machine = false, 100, "pc01" })
	if err != nil || v.Shareable || v.IOPS != 100 || v.Machine != "" {
		t.Errorf("%+v %v", v, err)
	}
	if _, err := x.Detach(ctx, "pc02", 2); err != nil {
		t.Fatal(err)
	}
	if _, err := x.DropVolume(ctx, "quorum"); err != nil {
		t.Fatal(err)
	}
}

func TestDataNames(t *testing.T) {
	x := yard(t)
	ctx := t.Context()
	for name, want := range map[string]string{
		"data1":         "volume \"data1\" exists already: choose another name, or remove it first with `bootes volume rm data1`",
		"pc01":          `machine "pc01" exists already: a volume of that name would be mistaken for the machine's own: choose another name`,
		"Data":          `volume name "Data" is not valid: it has lower-case letters`,
		"a@b":           `volume name "a@b" is not valid`,
		"":              `volume name "" is not valid`,
		"pc01-0a1b2c3d": `does not end in a hyphen and eight hex digits`,
	} {
		err := x.PrepareData(ctx, Volume{ID: name, Mode: Data})
		wantError(t, err, want)
		_, err = x.AddVolume(ctx, Volume{ID: name, Mode: Data})
		wantError(t, err, want)
	}
	wantError(t, x.PrepareData(ctx, Volume{ID: "x", BlockSize: 1024}), `block size "1024" is not valid: it is 512 or 4096 bytes`)
	wantError(t, x.PrepareData(ctx, Volume{ID: "x", Bandwidth: -1}), `limit "-1" is not valid: it is not negative, 0 for none`)
	_, err := x.AddMachine(ctx, Machine{Name: "data1", MACs: []string{"52:54:00:00:00:09"}, Image: "debian:12"})
	wantError(t, err, `volume "data1" exists already: the machine's own disk would be mistaken for it: choose another name for the machine`)
	if _, err := x.AddVolume(ctx, Volume{ID: "pc01-0a1b2c3d", Machine: "pc01", Mode: Persistent, Image: "debian:12", Layer: "l1"}); err != nil {
		t.Fatal(err)
	}
	_, err = x.SetUnit(ctx, "pc01-0a1b2c3d", func(v *Volume) { v.Shareable = true })
	wantError(t, err, `volume "pc01-0a1b2c3d" is the disk of machine pc01: only data volumes are shared`)
}

func TestNoMachineBootsACDROM(t *testing.T) {
	x := yard(t)
	ctx := t.Context()
	const want = "image \"tools:1\" is not valid: it is a CD-ROM, which no machine's disk can be made of: give a machine it beside its disk with `bootes machine attach MACHINE --image tools:1`"
	_, err := x.SetMachine(ctx, "pc01", func(m *Machine) error { m.Image = "tools:1"; return nil })
	wantError(t, err, want)
	_, err = x.AddMachine(ctx, Machine{Name: "pc03", MACs: []string{"52:54:00:00:00:09"}, Image: "tools:1"})
	wantError(t, err, want)
}

func TestReservations(t *testing.T) {
	x := yard(t)
	ctx := t.Context()
	if err := x.KeepReservations(ctx, "quorum", []byte("kept")); err != nil {
		t.Fatal(err)
	}
	if b, err := x.Reservations(ctx, "quorum"); err != nil || string(b) != "kept" {
		t.Errorf("%q %v", b, err)
	}
	var missing *NotFoundError
	if err := x.KeepReservations(ctx, "data9", []byte("kept")); !errors.As(err, &missing) {
		t.Errorf("%v", err)
	}
	// They go with the volume: one made anew of that name has none.
	if _, err := x.DropVolume(ctx, "quorum"); err != nil {
		t.Fatal(err)
	}
	if b, err := x.Reservations(ctx, "quorum"); err != nil || len(b) != 0 {
		t.Errorf("%q %v", b, err)
	}
	if err := x.KeepReservations(ctx, "data1", []byte("kept")); err != nil {
		t.Fatal(err)
	}
	if err := x.KeepReservations(ctx, "data1", nil); err != nil {
		t.Fatal(err)
	}
	if b, err := x.Reservations(ctx, "data1"); err != nil || len(b) != 0 {
		t.Errorf("%q %v", b, err)
	}
}
