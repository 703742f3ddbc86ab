package storage

import (
	"bytes"
	"fmt"
	"testing"
)

// TestDiffAndBackupAcrossTheBackgroundCopy: a chain that has grown long is copied
// into one layer. What differs is what it was before, for the snapshots and the
// image below it, and a backup since a snapshot has no block more.
func TestDiffAndBackupAcrossTheBackgroundCopy(t *testing.T) {
	const days = 17
	for name, day := range map[string]func(x *site, volume string, n int){
		"snapshots": func(x *site, volume string, n int) { x.snapshotOf(volume, fmt.Sprint("day-", n)) },
		"images": func(x *site, volume string, n int) {
			x.snapshotOf(volume, fmt.Sprint("day-", n))
			if _, err := x.Commit(x.t.Context(), volume, fmt.Sprint("day-", n), fmt.Sprint("debian:day-", n), ""); err != nil {
				x.t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			x, v := newPC1(t)
			ctx := t.Context()
			var before int
			for n := range days {
				if n == 14 { // the chain has its 16 layers with the next one
					before = len(x.backup(v.ID, "day-13", "day-3"))
				}
				x.write(v.ID, byte(10+n), int64(n)*8192)
				day(x, v.ID, n)
			}
			x.write(v.ID, 99, 1<<20)
			want := x.content(x.record(v.ID))
			if err := x.eng.Settle(ctx); err != nil {
				t.Fatal(err)
			}
			if info, err := x.eng.Volume(v.ID); err != nil || info.Depth > 4 {
				t.Fatalf("not copied: %d layers, %v", info.Depth, err)
			}
			if !bytes.Equal(x.content(x.record(v.ID)), want) {
				t.Error("the content has changed")
			}
			if d, err := x.Diff(ctx, v.ID, ""); err != nil || d.Changed != (days+1)*4096 || d.Zeroed != 0 || d.Against != "debian:12" {
				t.Errorf("now: %+v, %v", d, err)
			}
			if d, err := x.Diff(ctx, v.ID, "day-5"); err != nil || d.Changed != 6*4096 || d.Zeroed != 0 {
				t.Errorf("day 5: %+v, %v", d, err)
			}
			if n := len(x.backup(v.ID, "day-13", "day-3")); n-before > 512 || before-n > 512 { // the times in its header are of different length
				t.Errorf("a backup of 10 days is %d bytes, and was %d before", n, before)
			}
			full, diff := x.backup(v.ID, "day-3", ""), x.backup(v.ID, "", "day-3")
			if n := before + 4*5000; len(diff) > n {
				t.Errorf("a backup of all days since the third is %d bytes, more than %d", len(diff), n)
			}
			x.machine("pc7", 7, "debian:12")
			for _, b := range [][]byte{full, diff} {
				if _, err := x.restore("pc7", b, false); err != nil {
					t.Fatal(err)
				}
			}
			if !bytes.Equal(x.content(x.record(x.volumeOf("pc7"))), want) {
				t.Error("what was restored is something else")
			}
		})
	}
}
