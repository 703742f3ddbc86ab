package inventory

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

func (x *site) wait(w Waiting) Waiting {
	x.t.Helper()
	w, err := x.Wait(x.t.Context(), w)
	if err != nil {
		x.t.Fatal(err)
	}
	return w
}

func TestWaitingUntilAdded(t *testing.T) {
	x := newSite(t)
	ctx := t.Context()
	x.image("debian:12")
	const mac = "52:54:00:00:00:99"
	start := x.now
	x.wait(Waiting{MAC: "52-54-00-00-00-99", Interface: "br0", Hardware: Hardware{Serial: "SN1", Product: "Box", UUID: "00000000-0000-0000-0000-000000000000"}})
	x.later(30 * time.Second)
	x.wait(Waiting{MAC: mac, Interface: "br0"})
	want := Waiting{MAC: mac, Interface: "br0", Since: start, Seen: start, Hardware: Hardware{Serial: "SN1", Product: "Box"}}
	if got, err := x.WaitingOf(ctx, mac); err != nil || got != want {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
	x.later(40 * time.Second)
	x.wait(Waiting{MAC: mac, Interface: "br0"})
	x.restart()
	want.Seen = start.Add(70 * time.Second)
	if all, err := x.AllWaiting(ctx); err != nil || len(all) != 1 || all[0] != want {
		t.Errorf("after a restart: %+v, %v; want %+v", all, err, want)
	}
	_, err := x.WaitingOf(ctx, "52:54:00:00:00:98")
	wantErr[*NotFoundError](t, err, `no waiting machine "52:54:00:00:00:98": there are 52:54:00:00:00:99`)
	m, err := x.AddMachine(ctx, Machine{Name: "pc9", MACs: []string{mac}, Image: "debian:12"})
	if err != nil || m.Hardware != want.Hardware {
		t.Errorf("added: %+v, %v", m.Hardware, err)
	}
	x.wait(Waiting{MAC: mac, Interface: "br0"}) // asked just before it was added
	err = x.DismissWaiting(ctx, mac)
	wantErr[*NotFoundError](t, err, `no waiting machine "52:54:00:00:00:99": there are no waiting machines yet`)
}

func TestAnotherCardOfAMachineWaitsNoMore(t *testing.T) {
	x := newSite(t)
	x.image("debian:12")
	m := x.machine("pc1", "debian:12")
	x.wait(Waiting{MAC: "52:54:00:00:00:99"})
	x.wait(Waiting{MAC: "52:54:00:00:00:98"})
	if _, err := x.SetMachine(t.Context(), "pc1", func(m *Machine) error { m.MACs = append(m.MACs, "52:54:00:00:00:99"); return nil }); err != nil {
		t.Fatal(err)
	}
	if err := x.DismissWaiting(t.Context(), "52:54:00:00:00:98"); err != nil {
		t.Fatal(err)
	}
	if all, err := x.AllWaiting(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("%s has the card, and there wait: %+v, %v", m.Name, all, err)
	}
}

// It may say something else of itself each time, but has it written once a minute.
func TestWaitingWritesSeldom(t *testing.T) {
	x := newSite(t)
	const mac = "52:54:00:00:00:99"
	written := func() int64 {
		r, err := x.waiting.Get(t.Context(), mac)
		if err != nil {
			t.Fatal(err)
		}
		return r.Revision
	}
	x.wait(Waiting{MAC: mac})
	x.wait(Waiting{MAC: mac, Hardware: Hardware{Product: "Box"}}) // what was not known at all
	first := written()
	for n := range 5 {
		x.wait(Waiting{MAC: mac, Like: "pc1", Hardware: Hardware{Product: fmt.Sprint("Box ", n)}})
	}
	if written() != first {
		t.Error("written more than once within the minute")
	}
	x.later(time.Minute)
	if x.wait(Waiting{MAC: mac, Hardware: Hardware{Product: "Box 9"}}); written() == first {
		t.Error("not written a minute later")
	}
}

// A flood of made-up cards takes bounded room, and none from those that ask still.
func TestWaitingIsBounded(t *testing.T) {
	x := newSite(t)
	mac := func(n int) string { return fmt.Sprintf("52:54:00:01:%02x:%02x", n>>8, n&255) }
	for n := range MaxWaiting {
		x.wait(Waiting{MAC: mac(n)})
	}
	if _, err := x.Wait(t.Context(), Waiting{MAC: mac(MaxWaiting)}); !errors.Is(err, ErrWaitingFull) {
		t.Errorf("one more: %v", err)
	}
	x.wait(Waiting{MAC: mac(0)})
	x.later(silent)
	x.wait(Waiting{MAC: mac(0)})
	x.wait(Waiting{MAC: mac(MaxWaiting)})
	all, err := x.AllWaiting(t.Context())
	if err != nil || len(all) != MaxWaiting || all[0].MAC != mac(0) {
		t.Errorf("%d wait, the first %+v, %v", len(all), all[0], err)
	}
}

func TestNames(t *testing.T) {
	x := newSite(t)
	ctx := t.Context()
	x.image("debian:12")
	x.machine("pc-0002", "debian:12")
	const mac = "52:54:00:00:00:99"
	for _, tt := range []struct{ pattern, serial, want string }{
		{"pc-%", "", "pc-0001"},
		{"pc-%", "S", "pc-0003"},
		{"room2-%", "", "room2-0001"},
		{"pc-%serial", "5CG12 34/XYZ ", "pc-5cg12-34-xyz"},
		{"pc-%serial", "", "pc-525400000099"},
		{"%mac.lab", "S", "525400000099.lab"},
	} {
		if got, err := x.NameFor(ctx, tt.pattern, mac, Hardware{Serial: tt.serial}); err != nil || got != tt.want {
			t.Errorf("%s, serial %q: %q, %v; want %q", tt.pattern, tt.serial, got, err, tt.want)
		}
	}
	for _, bad := range []string{"", "pc", "pc-%-%", "PC-%", "-%", "pc-%serial-%mac"} {
		_, err := x.NameFor(ctx, bad, mac, Hardware{})
		wantErr[*InvalidError](t, err, fmt.Sprintf("pattern of names %q is not valid: it is a host name in which %% stands for a number, %%serial for the serial number or %%mac for the MAC address, such as pc-%%", bad))
	}
}
