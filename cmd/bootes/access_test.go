package main

import (
	"context"
	"reflect"
	"strings"
	"testing"
	"time"

	"bootes.dev/internal/api"
)

// Rules go in by the API, are put in order, and come out again.
func TestAccessRulesThroughTheAPI(t *testing.T) {
	w := newWired(t)
	ctx := t.Context()
	_, err := w.Import(ctx, w.file(make([]byte, 1<<20)), api.ImportRequest{Ref: "debian:12", Source: "a.raw"}, nil)
	w.ok(err)
	yes, no := true, false
	m, err := w.AddMachine(ctx, api.NewMachine{
		Name: "pc01", MACs: []string{"52:54:00:00:00:01"}, Image: "debian:12",
		Access: &api.AccessChange{From: &[]string{"10.1.0.7", "10.0.0.9/24"}, Lease: &yes},
	})
	w.ok(err)
	if want := (&api.Access{From: []string{"10.0.0.0/24", "10.1.0.7"}, Initiators: []string{}, Lease: true}); !reflect.DeepEqual(m.Access, want) {
		t.Errorf("added: %+v", m.Access)
	}
	m, err = w.SetMachine(ctx, "pc01", api.MachineChange{Access: &api.AccessChange{Initiators: &[]string{"IQN.x:A"}, Lease: &no}})
	w.ok(err)
	if want := (&api.Access{From: []string{"10.0.0.0/24", "10.1.0.7"}, Initiators: []string{"iqn.x:a"}}); !reflect.DeepEqual(m.Access, want) {
		t.Errorf("changed: %+v", m.Access)
	}
	_, err = w.SetMachine(ctx, "pc01", api.MachineChange{Access: &api.AccessChange{From: &[]string{"10.0.0.0/33"}}})
	if wantKind(t, err, api.Invalid); !strings.Contains(err.Error(), `network "10.0.0.0/33" is not valid`) {
		t.Error(err)
	}
	m, err = w.SetMachine(ctx, "pc01", api.MachineChange{Access: &api.AccessChange{From: &[]string{}, Initiators: &[]string{}}})
	w.ok(err)
	if m.Access != nil {
		t.Errorf("cleared: %+v", m.Access)
	}
}

func TestRulesAreShown(t *testing.T) {
	w := newWorld()
	w.machines[0].Access = &api.Access{From: []string{"10.0.0.0/24", "10.1.0.7"}, Initiators: []string{"iqn.x:a"}, Lease: true}
	t.Setenv("BOOTES_SOCKET", serveWorld(t, w))
	out, _, _ := bootes(t, "machine", "show", "pc01")
	const want = "from        10.0.0.0/24, 10.1.0.7\ninitiators  iqn.x:a\nlease       only from the address of its network card\n"
	if !strings.Contains(out, want) {
		t.Errorf("%s\nwant in it\n%s", out, want)
	}
}

func (w *world) Credentials(_ context.Context, machine string) (api.Credentials, error) {
	held := now.Add(-time.Hour)
	return api.Credentials{
		Machine: machine, Portals: []string{"10.0.0.1:3260", "10.1.0.1:3260"}, Target: "iqn.x:" + machine, Initiator: "iqn.x:init:" + machine,
		RootPaths: []string{"iscsi:10.0.0.1:::0:iqn.x:" + machine, "iscsi:10.1.0.1:::0:iqn.x:" + machine},
		User:      machine + "-static", ReverseUser: "target-of-" + machine + "-static", Created: now.Add(-2 * time.Hour), Held: &held,
	}, nil
}

func (w *world) NewCredentials(ctx context.Context, machine string, r api.CredentialsRequest) (api.Credentials, error) {
	c, _ := w.Credentials(ctx, machine)
	c.Secret, c.ReverseSecret, c.Held, c.Created = "abcdefghijklmnop", "ponmlkjihgfedcba", nil, now
	return c, w.call("new credentials", machine, r)
}

func (w *world) RevokeCredentials(_ context.Context, machine string) error {
	return w.call("revoke credentials", machine)
}

func TestCredentialsCommands(t *testing.T) {
	w := newWorld()
	t.Setenv("BOOTES_SOCKET", serveWorld(t, w))
	for _, tt := range []struct {
		args, out, errs string
		calls           []any
	}{
		{"pc01", `portal          10.0.0.1:3260
portal          10.1.0.1:3260
target          iqn.x:pc01
lun             0
initiator       iqn.x:init:pc01
user            pc01-static
reverse user    target-of-pc01-static
root-path       iscsi:10.0.0.1:::0:iqn.x:pc01
root-path       iscsi:10.1.0.1:::0:iqn.x:pc01
created         2026-01-02 10:00:00 (2 h ago)
holds the disk  since 2026-01-02 11:00:00 (60 min ago)
`, "", nil},
		{"pc01 --new --initiator iqn.x:hba", `portal          10.0.0.1:3260
portal          10.1.0.1:3260
target          iqn.x:pc01
lun             0
initiator       iqn.x:init:pc01
user            pc01-static
secret          abcdefghijklmnop
reverse user    target-of-pc01-static
reverse secret  ponmlkjihgfedcba
root-path       iscsi:10.0.0.1:::0:iqn.x:pc01
root-path       iscsi:10.1.0.1:::0:iqn.x:pc01
created         2026-01-02 12:00:00 (just now)

The secrets are not shown again. ` + "`bootes machine credentials pc01 --revoke` ends them.\n", "",
			[]any{"new credentials", "pc01", api.CredentialsRequest{Initiator: "iqn.x:hba"}}},
		{"pc01 --revoke", "revoked the static credentials of pc01\n", "", []any{"revoke credentials", "pc01"}},
		{"pc01 --revoke -o json", "{\n  \"revoked\": \"pc01\"\n}\n", "", []any{"revoke credentials", "pc01"}},
		{"pc01 --new --revoke", "", "bootes: --new and --revoke exclude each other: give one\n", nil},
		{"pc01 --initiator iqn.x:hba", "", "bootes: --initiator goes with --new: the name that the firmware or HBA has already\n", nil},
	} {
		w.set(func() { w.calls = nil })
		out, errs, _ := bootes(t, append([]string{"machine", "credentials"}, strings.Fields(tt.args)...)...)
		if got := w.called(); out != tt.out || errs != tt.errs || !reflect.DeepEqual(got, tt.calls) {
			t.Errorf("machine credentials %s:\n%s%s%+v\nwant\n%s%s%+v", tt.args, out, errs, got, tt.out, tt.errs, tt.calls)
		}
	}
}
