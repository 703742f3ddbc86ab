package crowd

import (
	"testing"
	"time"
)

type one struct {
	stranger bool
	last     time.Time
}

func TestLeaves(t *testing.T) {
	all, start, strangers := map[int]*one{}, time.Now(), 0
	leaves := func(stranger bool) *one {
		return Leaves(all, strangers, stranger, func(o *one) bool { return o.stranger }, func(o *one) time.Time { return o.last })
	}
	for i := range Strangers {
		if o := leaves(true); o != nil {
			t.Fatalf("%+v leaves, and there are %d", o, i)
		}
		all[i] = &one{true, start.Add(time.Duration(i))}
		strangers++
	}
	machine := &one{false, start.Add(-time.Hour)}
	all[-1] = machine
	// The latest of 64 out of 2048 is among the oldest of them: never the newest.
	if o := leaves(true); o == nil || !o.stranger || o == all[Strangers-1] {
		t.Errorf("%+v leaves", o)
	}
	if o := leaves(false); o != nil {
		t.Errorf("%+v leaves, and there is one machine", o)
	}
	for i := range Machines - 1 {
		all[-2-i] = &one{false, start}
	}
	if o := leaves(false); o == nil || o.stranger {
		t.Errorf("%+v leaves", o)
	}
}
