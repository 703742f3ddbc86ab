package iscsi

import (
	"context"
	"net/netip"
	"testing"
)

// elsewhere is an authority whose disks are served by another portal.
type elsewhere struct {
	*authority
	to Redirect
}

func (e elsewhere) Admit(context.Context, Login, string) (*Grant, error) { return nil, &e.to }

// A login is redirected once it has authenticated, with the address alone:
// iPXE and open-iscsi go there and log in again.
func TestRedirect(t *testing.T) {
	for _, c := range []struct {
		to   Redirect
		want Status
		text string
	}{
		{Redirect{Portal: netip.MustParseAddrPort("10.0.0.2:3260")}, 0x0101, "10.0.0.2:3260"},
		{Redirect{Portal: netip.MustParseAddrPort("[fd00::2]:3261"), Permanent: true}, 0x0102, "[fd00::2]:3261"},
	} {
		a := elsewhere{newAuthority(newMemory(1 << 20)), c.to}
		s, addr := serve(t, Options{Authority: a})
		status, keys := dial(t, addr).tryLogin()
		if status != c.want || keys["TargetAddress"] != c.text {
			t.Errorf("status %04x and %q, want %04x and TargetAddress %q", status, keys, c.want, c.text)
		}
		stranger := dial(t, addr)
		stranger.secret = "guess"
		if status, keys := stranger.tryLogin(); status != StatusAuthFailure || keys["TargetAddress"] != "" {
			t.Errorf("a stranger is answered %04x, %q", status, keys)
		}
		if opened, _, refused := a.lists(); len(opened) != 0 || len(refused) != 1 || len(s.Sessions()) != 0 {
			t.Errorf("opened %q, refused %q", opened, refused)
		}
	}
	if got, want := (&Redirect{Portal: netip.MustParseAddrPort("10.0.0.2:3260")}).Error(), "redirect login to 10.0.0.2:3260"; got != want {
		t.Errorf("error %q, want %q", got, want)
	}
}
