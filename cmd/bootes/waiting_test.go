package main

import (
	"bytes"
	"context"
	"reflect"
	"strings"
	"testing"
	"time"

	"bootes.dev/internal/api"
	"bootes.dev/internal/config"
	"bootes.dev/internal/inventory"
)

const waitingMAC = "52:54:00:00:00:99"

func (w *world) Waiting(context.Context) ([]api.Waiting, error) { return as(w, &w.waiting), nil }
func (w *world) Approve(_ context.Context, mac string, a api.Approval) (api.Machine, error) {
	return api.Machine{Name: "pc07", MACs: []string{mac}, Image: "debian:12", Mode: api.Ephemeral, Created: now}, w.call("approve", mac, a)
}
func (w *world) Dismiss(_ context.Context, mac string) error { return w.call("dismiss", mac) }

func TestWaitingCommands(t *testing.T) {
	w := newWorld()
	t.Setenv("BOOTES_SOCKET", serveWorld(t, w))
	say := func(args, want string) {
		t.Helper()
		out, errs, code := bootes(t, append([]string{"machine"}, strings.Fields(args)...)...)
		if code != 0 || out != want {
			t.Errorf("machine %s: code %d, %s\ngot\n%swant\n%s", args, code, errs, out, want)
		}
	}
	say("waiting", "no machine waits for approval\n")
	waiting := []api.Waiting{
		{MAC: waitingMAC, Interface: "br0", Since: now.Add(-3 * time.Minute), Seen: now.Add(-time.Second), Hardware: api.Hardware{
			Manufacturer: "QEMU", Product: "Box\x1b[2J", Serial: "SN9", Memory: 768 << 20, NIC: "virtio-net 1af4:1000",
		}},
		{MAC: "52:54:00:00:00:98", Interface: "br0", Since: now.Add(-50 * time.Hour), Seen: now.Add(-50 * time.Hour)},
	}
	w.set(func() { w.waiting = waiting })
	say("waiting", `MAC                SINCE       SEEN        HARDWARE      SERIAL   MEMORY  NIC                   INTERFACE
52:54:00:00:00:99  3 min ago   just now    QEMU Box?[2J  SN9     768 MiB  virtio-net 1af4:1000  br0
52:54:00:00:00:98  2 days ago  2 days ago  -             -             -  -                     br0
`)
	like := waiting[1]
	like.Like = "pc01"
	w.set(func() { w.waiting = []api.Waiting{like} })
	say("waiting", `MAC                SINCE       SEEN        HARDWARE  SERIAL  MEMORY  NIC  INTERFACE  PERHAPS
52:54:00:00:00:98  2 days ago  2 days ago  -         -            -  -    br0        pc01
`)
	say("approve 52-54-00-00-00-99 --name pc07 --image debian:12 --ephemeral --limit 1G --address 10.0.0.7", "approved 52:54:00:00:00:99: machine pc07 boots debian:12, ephemeral\n")
	say("dismiss 52:54:00:00:00:99", "removed 52:54:00:00:00:99 from those that wait\n")
	limit := int64(1 << 30)
	want := []any{"approve", waitingMAC, api.Approval{Name: "pc07", Image: "debian:12", Mode: api.Ephemeral, Address: "10.0.0.7", Limit: &limit}, "dismiss", waitingMAC}
	if got := w.called(); !reflect.DeepEqual(got, want) {
		t.Errorf("called %+v, want %+v", got, want)
	}
	for args, want := range map[string]string{
		"approve pc07": "\"pc07\" is no MAC address: `bootes machine waiting` lists those of machines that wait",
		"dismiss pc07": "\"pc07\" is no MAC address: `bootes machine waiting` lists those of machines that wait",
		"approve 52:54:00:00:00:99 52:54:00:00:00:98 --name pc07": "--name and --address are of one machine: approve those one by one",
		"approve 52:54:00:00:00:99 --persistent --ephemeral":      "--persistent and --ephemeral exclude each other: give one",
		"approve 52:54:00:00:00:99 --address here":                `--address "here" is no IPv4 address: write one such as 192.168.1.50`,
		"approve 52:54:00:00:00:99 --limit lots":                  `--limit "lots" is no size: write a number of bytes, or one with K, M, G or T (powers of 1024), such as 512M or 10G; or none`,
	} {
		if _, errs, code := bootes(t, append([]string{"machine"}, strings.Fields(args)...)...); code != exitUsage || errs != "bootes: "+want+"\n" {
			t.Errorf("%s: code %d, %s", args, code, errs)
		}
	}
}

func TestApproval(t *testing.T) {
	w := newWired(t)
	ctx := t.Context()
	_, err := w.Import(ctx, w.file(bytes.Repeat([]byte("a"), 1<<20)), api.ImportRequest{Ref: "debian:12", Source: "a.raw"}, nil)
	w.ok(err)
	wait := func(iface string) {
		t.Helper()
		_, err := w.inv.Wait(ctx, inventory.Waiting{MAC: waitingMAC, Interface: iface, Hardware: inventory.Hardware{Serial: "SN9", Product: "Box"}})
		w.ok(err)
	}
	wait("br0")
	_, err = w.Approve(ctx, waitingMAC, api.Approval{Name: "pc07"})
	wantText(t, err, api.Invalid, "approve 52:54:00:00:00:99: --image is missing: what it boots, such as --image debian:12; or for all that wait there, in the config, enrol: {image: debian:12} of interface br0")
	_, err = w.Approve(ctx, "52:54:00:00:00:98", api.Approval{Image: "debian:12"})
	wantText(t, err, api.NotFound, `no waiting machine "52:54:00:00:00:98": there are 52:54:00:00:00:99`)
	m, err := w.Approve(ctx, waitingMAC, api.Approval{Name: "pc07", Image: "debian:12"})
	if err != nil || m.Mode != api.Persistent || m.Hardware == nil || m.Hardware.Serial != "SN9" {
		t.Errorf("%+v, %v", m, err)
	}
	if all, err := w.Client.Waiting(ctx); err != nil || len(all) != 0 {
		t.Errorf("still waiting: %+v, %v", all, err)
	}
	w.ok(w.RemoveMachine(ctx, "pc07"))
	w.cfg.Interfaces = []config.Interface{{Name: "br0", Enrol: config.Enrolment{Image: "debian:12", Mode: "ephemeral", Name: "ci-%"}}}
	wait("br0")
	if m, err = w.Approve(ctx, waitingMAC, api.Approval{}); err != nil || m.Name != "ci-0001" || m.Image != "debian:12" || m.Mode != api.Ephemeral {
		t.Errorf("%+v, %v", m, err)
	}
	if b := w.rec.Boots(waitingMAC); len(b) != 1 || b[0].Events[len(b[0].Events)-1].Text != "approved as machine ci-0001, which boots debian:12" {
		t.Errorf("its timeline: %+v", b)
	}

	none := ""
	if m, err = w.SetMachine(ctx, "ci-0001", api.MachineChange{Serial: &none}); err != nil || m.Hardware.Serial != "" || m.Hardware.Product != "Box" {
		t.Errorf("%+v, %v", m.Hardware, err)
	}
	w.ok(w.RemoveMachine(ctx, "ci-0001"))
	wait("br0")
	w.ok(w.Dismiss(ctx, waitingMAC))
}

func wantText(t *testing.T, err error, k api.Kind, text string) {
	t.Helper()
	if wantKind(t, err, k); err == nil || err.Error() != text {
		t.Errorf("got  %v\nwant %s", err, text)
	}
}
