package inventory

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestRemoveLease(t *testing.T) {
	x := newSite(t)
	ctx := t.Context()
	l := x.bind(ask(1, "10.0.0.15"))
	var used *InUseError
	if err := x.RemoveLease(ctx, l.Addr, false); !errors.As(err, &used) ||
		!strings.HasPrefix(err.Error(), `lease of "10.0.0.15" is in use by 52:54:00:01:00:01: if that client is off for certain, use --force; else wait for its end, `) {
		t.Errorf("a lease that lasts: %v", err)
	}
	if err := x.RemoveLease(ctx, l.Addr, true); err != nil {
		t.Error(err)
	}
	for range 2 {
		wantErr[*NotFoundError](t, x.RemoveLease(ctx, l.Addr, true), `no lease of "10.0.0.15"`)
		x.restart()
	}
	wantErr[*NotFoundError](t, x.RemoveLease(ctx, ip("::1"), true), `no lease of "::1"`)
	if got := x.bind(ask(2, "10.0.0.15")); got.Addr != l.Addr {
		t.Errorf("it is not free: %v", got.Addr)
	}
	if err := x.Decline(ctx, mac(2), l.Addr); err != nil {
		t.Fatal(err)
	}
	if err := x.RemoveLease(ctx, l.Addr, false); err != nil {
		t.Errorf("declined: %v", err)
	}
	if got := x.bind(ask(3, "10.0.0.15")); got.Addr != l.Addr {
		t.Errorf("it is out of use still: %v", got.Addr)
	}
	x.later(2 * time.Hour)
	if err := x.RemoveLease(ctx, l.Addr, false); err != nil {
		t.Errorf("expired: %v", err)
	}
}
