package storage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"bootes.dev/internal/backup"
	"bootes.dev/internal/cow"
	"bootes.dev/internal/inventory"
)

// TestStorm does everything at once, in any order. What is refused is refused by
// a rule; nothing is left over, and disks and records agree.
func TestStorm(t *testing.T) {
	x := newSite(t)
	ctx := t.Context()
	x.importImage("debian:1", random(64<<10, 1))
	if _, err := x.inv.SetTag(ctx, "debian:stable", "debian:1"); err != nil {
		t.Fatal(err)
	}
	machines := []string{"pc1", "pc2", "pc3"}
	for n, m := range machines {
		x.machine(m, byte(n+1), "debian:stable")
	}
	var full bytes.Buffer
	v := x.volumeFor("pc1")
	if _, err := x.Backup(ctx, v, "", "", &full, nil); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for seed := range uint64(4) {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(seed, 1))
			for range 60 {
				if err := x.gust(ctx, r, machines, full.Bytes()); err != nil && !ruled(err) {
					t.Errorf("%v", err)
				}
			}
		})
	}
	wg.Wait()
	x.settledDown()
	x.restart()
	x.reconcile()
}

// volumeFor is the volume that machine boots from.
func (x *site) volumeFor(machine string) string {
	v, err := x.CreateVolume(x.t.Context(), machine, "debian:stable", inventory.Persistent, "")
	if err != nil {
		x.t.Error(err)
	}
	return v.ID
}

// gust does one thing.
func (x *site) gust(ctx context.Context, r *rand.Rand, machines []string, full []byte) (err error) {
	m := machines[r.IntN(len(machines))]
	id, name, ref := x.volumeFor(m), fmt.Sprintf("s%d", r.IntN(3)), fmt.Sprintf("debian:%d", r.IntN(8))
	switch r.IntN(14) {
	case 0:
		_, err = x.Snapshot(ctx, id, name)
	case 1:
		err = x.RemoveSnapshot(ctx, id, name)
	case 2:
		err = x.Rollback(ctx, id, name)
	case 3:
		err = x.Reset(ctx, id)
	case 4:
		_, err = x.Commit(ctx, id, "", ref, "")
	case 5:
		err = x.RemoveImage(ctx, ref)
	case 6:
		_, err = x.SetTag(ctx, "debian:stable", ref)
	case 7:
		err = x.RemoveVolume(ctx, id, false)
	case 8:
		_, err = x.CloneVolume(ctx, id, "", machines[r.IntN(len(machines))])
	case 9:
		_, err = x.BeginUpdate(ctx, m, ref)
	case 10:
		_, err = x.Publish(ctx, m, ref, "debian:stable", false)
	case 11:
		_, err = x.Restore(ctx, m, bytes.NewReader(full), true, nil)
	case 12:
		_, err = x.Diff(ctx, id, "")
	default:
		d, e := x.OpenVolume(ctx, id)
		if e != nil {
			return e
		}
		_, err = d.WriteAt(random(4096, byte(r.IntN(256))), int64(r.IntN(16))*4096)
		err = errors.Join(err, d.Close())
	}
	return err
}

// ruled reports whether an error is a rule's answer to what others did before.
func ruled(err error) bool {
	var (
		noImage *NoImageError
		earlier *EarlierStateError
		tape    *backup.FormatError
	)
	return inventory.Refused(err) || errors.As(err, &noImage) || errors.As(err, &earlier) || errors.As(err, &tape) ||
		errors.Is(err, cow.ErrInUse) || errors.Is(err, cow.ErrNotExist)
}
