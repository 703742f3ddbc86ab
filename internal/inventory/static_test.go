package inventory

import (
	"errors"
	"testing"
)

func TestStaticCredentials(t *testing.T) {
	x := newSite(t)
	ctx := t.Context()
	x.image("debian:12")
	x.machine("pc1", "debian:12")
	_, err := x.Static(ctx, "pc1")
	wantMissing(t, err, `no static credentials of "pc1"`)
	st, err := x.NewStatic(ctx, "pc1", "IQN.x:HBA")
	if err != nil || st.User != "pc1-static" || st.Initiator != "iqn.x:hba" || len(st.Secret) != 16 || len(st.Reverse.Secret) != 16 || st.Secret == st.Reverse.Secret {
		t.Errorf("%+v, %v", st, err)
	}
	if got, err := x.StaticOf(ctx, "pc1-static"); err != nil || got.Secret != st.Secret {
		t.Errorf("%+v, %v", got, err)
	}
	for _, user := range []string{"pc1", "pc1-1", "pc2-static", "-static", ""} {
		if got, err := x.StaticOf(ctx, user); err == nil {
			t.Errorf("%q is %+v", user, got)
		}
	}
	again, err := x.NewStatic(ctx, "pc1", "")
	if err != nil || again.Secret == st.Secret || again.Initiator != "" {
		t.Errorf("%+v, %v", again, err)
	}
	if _, err := x.RevokeStatic(ctx, "pc1"); err != nil {
		t.Error(err)
	}
	_, err = x.RevokeStatic(ctx, "pc1")
	wantMissing(t, err, `no static credentials of "pc1"`)
}

func wantMissing(t *testing.T, err error, want string) {
	t.Helper()
	var missing *NotFoundError
	if !errors.As(err, &missing) || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

// They end the boot that had the disk, and no other; they go with their machine.
func TestStaticCredentialsHold(t *testing.T) {
	x := newSite(t)
	ctx := t.Context()
	x.image("debian:12")
	x.machine("pc1", "debian:12")
	first := x.boot("pc1")
	if _, _, err := x.Promote(ctx, first.ID); err != nil {
		t.Fatal(err)
	}
	x.boot("pc1")
	if _, err := x.NewStatic(ctx, "pc1", ""); err != nil {
		t.Fatal(err)
	}
	st, gone, err := x.HoldStatic(ctx, "pc1", "pc1-0001")
	if err != nil || st.Volume != "pc1-0001" || st.Held.IsZero() || ids(gone.Boots) != " pc1-1*" {
		t.Errorf("%+v, %+v, %v", st, gone, err)
	}
	if got := x.boots("pc1"); got != " pc1-2" {
		t.Errorf("boots:%s", got)
	}
	if err := x.RemoveMachine(ctx, "pc1"); err != nil {
		t.Fatal(err)
	}
	x.machine("pc1", "debian:12")
	_, err = x.Static(ctx, "pc1")
	wantMissing(t, err, `no static credentials of "pc1"`)
	_, _, err = x.HoldStatic(ctx, "pc1", "v")
	wantMissing(t, err, `no static credentials of "pc1"`)
}
