package storage

import (
	"testing"

	"bootes.dev/internal/inventory"
)

// What a volume has beyond its last named state is told as it is, whatever
// layers it lies in.
func TestWritten(t *testing.T) {
	x, v := newPC1(t)
	ctx := t.Context()
	expect := func(when string, written int64, since string) {
		t.Helper()
		if now, err := x.Volume(ctx, v.ID); err != nil || now.Written != written || now.Since != since {
			t.Errorf("%s: %d written since %q, %v; want %d since %q", when, now.Written, now.Since, err, written, since)
		}
	}
	expect("a fresh clone", 0, "debian:12")
	x.write(v.ID, 10, 0, 4096)
	if _, err := x.Diff(ctx, v.ID, ""); err != nil { // seals what was written
		t.Fatal(err)
	}
	expect("looked at", 8192, "debian:12")
	x.write(v.ID, 11, 8192)
	expect("written again", 12288, "debian:12")
	x.snapshotOf(v.ID, "monday")
	expect("a snapshot", 0, "monday")
	x.write(v.ID, 12, 0)
	x.snapshotOf(v.ID, "tuesday")
	x.write(v.ID, 13, 0)
	expect("another", 4096, "tuesday")
	if err := x.Rollback(ctx, v.ID, "monday"); err != nil {
		t.Fatal(err)
	}
	expect("rolled back", 0, "monday")
	x.write(v.ID, 14, 0)
	if err := x.RemoveSnapshot(ctx, v.ID, "monday"); err != nil {
		t.Fatal(err)
	}
	expect("on a state that another snapshot needs, too", 4096, "")
	if _, err := x.Commit(ctx, v.ID, "", "debian:13", ""); err != nil {
		t.Fatal(err)
	}
	expect("committed", 0, "debian:13")
	if err := x.Reset(ctx, v.ID); err != nil {
		t.Fatal(err)
	}
	expect("reset", 0, "debian:12")
	x.machine("pc2", 2, "debian:12")
	c, err := x.CloneVolume(ctx, v.ID, "tuesday", "pc2")
	if err != nil {
		t.Fatal(err)
	}
	if now, err := x.Volume(ctx, c.ID); err != nil || now.Written != 0 || now.Since != "" || now.Mode != inventory.Persistent {
		t.Errorf("a clone of a snapshot: %+v, %v", now, err)
	}
}
