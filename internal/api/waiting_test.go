package api

import (
	"reflect"
	"testing"
)

func TestWaiting(t *testing.T) {
	f := newFake()
	c, _ := serve(t, f)
	ctx := t.Context()
	const mac = "52:54:00:00:00:99"
	all, err := c.Waiting(ctx)
	if want, _ := f.Waiting(ctx); err != nil || !reflect.DeepEqual(all, want) {
		t.Errorf("%+v, %v", all, err)
	}
	a := Approval{Name: "pc9", Image: "debian:12", Mode: Ephemeral}
	if m, err := c.Approve(ctx, mac, a); err != nil || m.Name != "pc9" {
		t.Errorf("%+v, %v", m, err)
	}
	if err := c.Dismiss(ctx, mac); err != nil {
		t.Error(err)
	}
	if want := []any{"approve", mac, a, "dismiss", mac}; !reflect.DeepEqual(f.calls, want) {
		t.Errorf("calls %v, want %v", f.calls, want)
	}
}

func TestSimulations(t *testing.T) {
	f := newFake()
	c, _ := serve(t, f)
	ctx := t.Context()
	n := NewSimulation{MACs: []string{"52:54:00:00:00:99"}, Image: "debian:12"}
	sim, err := c.Simulate(ctx, n)
	if want, _ := newFake().Simulate(ctx, n); err != nil || !reflect.DeepEqual(sim, want) {
		t.Errorf("%+v, %v", sim, err)
	}
	if all, err := c.Remarks(ctx, "s1"); err != nil || !reflect.DeepEqual(all, []string{"OFFER to s1"}) {
		t.Errorf("%q, %v", all, err)
	}
	if err := c.EndSimulation(ctx, "s1"); err != nil {
		t.Error(err)
	}
	if want := []any{"simulate", n, "end simulation", "s1"}; !reflect.DeepEqual(f.calls, want) {
		t.Errorf("calls %v, want %v", f.calls, want)
	}
}
