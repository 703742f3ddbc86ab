package main

import (
	"reflect"
	"strings"
	"testing"

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
