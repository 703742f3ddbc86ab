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
