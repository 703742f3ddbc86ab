package scsi

import (
	"bytes"
	"testing"
)

func TestAttentions(t *testing.T) {
	var a Attentions
	if _, ok := a.Take(); ok || !a.None() {
		t.Error("nothing was added")
	}
	for _, u := range []UnitAttention{SoftThreshold, CapacityChanged, NexusLost, SoftThreshold, BusReset, LUNsChanged} {
		a.Add(u)
	}
	a.Drop(LUNsChanged)
	a.Drop(ModeChanged) // never added
	// NexusLost is old news after the reset.
	for _, want := range []UnitAttention{BusReset, CapacityChanged, SoftThreshold} {
		if got, ok := a.Take(); !ok || got != want {
			t.Errorf("took %v, want %v", got, want)
		}
	}
	if !a.None() {
		t.Errorf("%b is left", a)
	}
}

func TestAttentionSense(t *testing.T) {
	for u, want := range map[UnitAttention]string{
		SoftThreshold: "6h/38h/07h", CapacityChanged: "6h/2ah/09h", LUNsChanged: "6h/3fh/0eh",
		ModeChanged: "6h/2ah/01h", UnitReset: "6h/29h/03h", BusReset: "6h/29h/02h",
	} {
		if got := u.Sense().String(); got != want || u.String() == "" {
			t.Errorf("%v: %s, want %s", u, got, want)
		}
	}
	for u := range attentionKinds {
		if u.String() == "" || u.Sense().Code == 0 {
			t.Errorf("unit attention %d has no name or no sense", u)
		}
	}
}

// What a device of another size than before says of itself is what counts.
func TestCapacityIsLive(t *testing.T) {
	d, r := newRAM()
	beyond := "28 00 00000800 00 0001 00"
	var c Command
	if s := decode(d, cdb(t, beyond), &c); s != lbaOutOfRange {
		t.Fatal(s)
	}
	r.data = append(r.data, make([]byte, 1<<20)...)
	if s := decode(d, cdb(t, beyond), &c); !s.OK() {
		t.Errorf("after it grew: %v", s)
	}
	for _, ask := range []string{"25", "9e 10 0000000000000000 00000020"} {
		b, s := answer(t, d, ask)
		if !s.OK() || !bytes.Contains(b, unhex(t, "00000fff 00000200")) {
			t.Errorf("%s: %v % x", ask, s, b)
		}
	}
}
