package main

import (
	"context"
	"reflect"
	"strings"
	"testing"

	"bootes.dev/internal/api"
)

func (w *world) CreateVolume(_ context.Context, n api.NewVolume) (api.Volume, error) {
	return api.Volume{ID: n.Name, Mode: api.Data, Size: n.Size, BlockSize: n.BlockSize, Shared: n.Shared}, w.call(n)
}

// Attach and Detach find pc01 running, and every image but debian:12 a CD-ROM.
func (w *world) Attach(_ context.Context, machine string, r api.AttachRequest) (api.Attached, error) {
	a := api.Attached{Machine: machine, Kind: api.DiskImage, Live: machine == "pc01"}
	a.Attachment = api.Attachment{LUN: max(r.LUN, 2), Volume: r.Volume, Image: r.Image, ReadOnly: r.ReadOnly || r.Image != ""}
	if r.Image != "" && r.Image != "debian:12" {
		a.Kind = api.CDROM
	}
	return a, w.call(machine, r)
}

func (w *world) Detach(_ context.Context, machine string, lun uint8, force bool) (api.Attached, error) {
	a := api.Attached{Machine: machine, Kind: api.DiskImage, Live: machine == "pc01"}
	a.Attachment = api.Attachment{LUN: lun, Volume: "data1"}
	return a, w.call("detach", machine, lun, force)
}

// newYard is a world with data volumes and what is attached.
func newYard() *world {
	w := newWorld()
	w.images = append(w.images, api.Image{Ref: "tools:1", Kind: api.CDROM, Size: 4 << 20, Tags: []string{}, Created: now})
	w.machines[0].Disks = []api.Attachment{{LUN: 2, Volume: "data1", ReadOnly: true}, {LUN: 9, Image: "tools:1", ReadOnly: true}}
	w.volumes.Volumes = append(w.volumes.Volumes,
		api.Volume{ID: "data1", Mode: api.Data, Size: 20 << 30, BlockSize: 4096, IOPS: 500, Bandwidth: 50 << 20, Attached: []api.Seat{{Machine: "pc01", LUN: 2}}, Created: now},
		api.Volume{
			ID: "quorum", Mode: api.Data, Size: 1 << 30, BlockSize: 512, Shared: true, Created: now,
			Attached: []api.Seat{{Machine: "pc01", LUN: 3}, {Machine: "kiosk", LUN: 2}},
			Reservations: &api.Reservations{
				Type: "write exclusive, registrants only", Holders: []string{"iqn.pc01,i,0x01"}, Kept: true,
				Registered: []api.Registration{{Initiator: "iqn.pc01,i,0x01", Key: "0xa"}, {Initiator: "iqn.kiosk,i,0x02", Key: "0xb"}},
			},
		},
		api.Volume{ID: "spare", Mode: api.Data, Size: 1 << 30, BlockSize: 512, Created: now,
			Reservations: &api.Reservations{Registered: []api.Registration{{Initiator: "iqn.x,i,0x01", Key: "0x1"}}}},
	)
	return w
}

func TestAttachmentTexts(t *testing.T) {
	w := newYard()
	lines(t, w, []struct{ args, want string }{
		{"volume create data2 --size 20G", `
made volume data2: 20 GiB, blank
a machine gets it by: bootes machine attach MACHINE --volume data2
`},
		{"machine attach pc01 --volume data1", `
volume data1 is LUN 2 of pc01: a disk
pc01 runs, and finds it by: iscsiadm -m session --rescan
  (or, for the disk it boots from: for h in /sys/class/scsi_host/*/scan; do echo "- - -" >$h; done)
`},
		{"machine attach kiosk --volume data1 --lun 9 --read-only", `
volume data1 is LUN 9 of kiosk: a disk, read-only
kiosk does not run: it has it from its next boot on
`},
		{"machine attach kiosk --image debian:12", `
image debian:12 is LUN 2 of kiosk: a disk, read-only
kiosk does not run: it has it from its next boot on
`},
		{"machine attach kiosk --image tools:1", `
image tools:1 is LUN 2 of kiosk: a CD-ROM drive
kiosk does not run: it has it from its next boot on
`},
		{"machine detach kiosk --lun 2", "\nvolume data1 is no disk of kiosk any more\n"},
		{"machine detach pc01 --lun 2 --force", `
volume data1 is no disk of pc01 any more
pc01 runs, and forgets it by: echo 1 >/sys/block/NAME/device/delete
`},
		{"volume show data1", `
volume       data1
attached to  pc01 (LUN 2)
image        none: it was blank
mode         data
size         20 GiB, in blocks of 4096 bytes
stored       0 B
own          0 B
private      0 B that nothing else has
limit        none
speed        500 commands a second at most, 50 MiB a second at most
open         no
created      2026-01-02 12:00:00 (just now)
`},
		{"volume show quorum", `
volume       quorum
attached to  pc01 (LUN 3), kiosk (LUN 2); several may have it at once
image        none: it was blank
mode         data
size         1 GiB
stored       0 B
own          0 B
private      0 B that nothing else has
limit        none
reserved     write exclusive, registrants only, by iqn.pc01,i,0x01; registered: iqn.pc01,i,0x01 with key 0xa; registered: iqn.kiosk,i,0x02 with key 0xb
open         no
created      2026-01-02 12:00:00 (just now)
`},
		{"volume show spare", `
volume       spare
attached to  no machine
image        none: it was blank
mode         data
size         1 GiB
stored       0 B
own          0 B
private      0 B that nothing else has
limit        none
reserved     not reserved; registered: iqn.x,i,0x01 with key 0x1; until the server restarts
open         no
created      2026-01-02 12:00:00 (just now)
`},
		{"volume list", `
VOLUME          MACHINE     IMAGE      MODE          SIZE  OWN  STORED   LIMIT  OPEN  CREATED
0f3a-1111-aaaa  pc01        debian:12  persistent   4 GiB  0 B   5 MiB  10 GiB  yes   60 min ago
0f3a-2222-bbbb  kiosk       debian:12  ephemeral    4 GiB  0 B     0 B    none  no    60 s ago
77aa-3333-cccc  kiosk       debian:12  ephemeral    4 GiB  0 B     0 B    none  no    60 min ago
data1           pc01        -          data        20 GiB  0 B     0 B    none  no    just now
quorum          pc01,kiosk  -          data         1 GiB  0 B     0 B    none  no    just now
spare           -           -          data         1 GiB  0 B     0 B    none  no    just now
`},
		{"image show tools:1", `
image    tools:1
kind     CD-ROM: machines get it beside their disk, by ` + "`bootes machine attach`" + `
digest   still being made
size     4 MiB
stored   0 B
created  2026-01-02 12:00:00 (just now)
`},
		{"volume snapshot spare monday", `
snapshot spare@monday: 0 B, of a running machine: as if its power had been cut
back to it, when no machine has it attached: bootes volume rollback spare monday
`},
		{"volume rm spare", "\nremoved volume spare: lost 0 B that only it had\n"},
		{"volume set pc01 --iops 500 --bandwidth 50M", "\nspeed of volume 0f3a-1111-aaaa of pc01: 500 commands a second at most, 50 MiB a second at most\n"},
		{"volume set pc01 --iops none --bandwidth none --shared=on", `
shared use of volume 0f3a-1111-aaaa of pc01: on
speed of volume 0f3a-1111-aaaa of pc01: no limit
`},
		{"volume set pc01 --clear-reservations", "\nreservations of volume 0f3a-1111-aaaa of pc01: none\n"},
	})
	out, _, _ := bootes(t, "--socket", serveWorld(t, newYard()), "machine", "show", "pc01")
	if !strings.Contains(out, "\nlun 2       volume data1, read-only\nlun 9       image tools:1\n") {
		t.Errorf("machine show:\n%s", out)
	}
}

func TestAttachmentCalls(t *testing.T) {
	limit, iops, bandwidth, off := int64(10<<30), int64(500), int64(50<<20), false
	for args, want := range map[string][]any{
		"volume create q --size 1G --shared --block-size 4096 --limit 10G":              {api.NewVolume{Name: "q", Size: 1 << 30, BlockSize: 4096, Shared: true, Limit: &limit}},
		"machine attach pc01 --volume data1 --lun 254 --read-only":                      {"pc01", api.AttachRequest{Volume: "data1", LUN: 254, ReadOnly: true}},
		"machine detach pc01 --lun 254":                                                 {"detach", "pc01", uint8(254), false},
		"machine detach pc01 --lun 2 --force":                                           {"detach", "pc01", uint8(2), true},
		"volume set data1 --iops 500 --bandwidth 50M --shared=off --clear-reservations": {"data1", api.VolumeChange{IOPS: &iops, Bandwidth: &bandwidth, Shared: &off, ClearReservations: true}},
	} {
		w := newYard()
		_, errs, code := bootes(t, append([]string{"--socket", serveWorld(t, w), "-o", "json"}, strings.Fields(args)...)...)
		if code != 0 || !reflect.DeepEqual(w.called(), want) {
			t.Errorf("%s: code %d, %s\ngot  %+v\nwant %+v", args, code, errs, w.called(), want)
		}
	}
}

func TestAttachmentRefusals(t *testing.T) {
	w := newYard()
	w.err = api.Errorf(api.Conflict, "volume \"data1\" is in use")
	socket := serveWorld(t, w)
	for _, tt := range []struct {
		args string
		code int
		want string
	}{
		{"volume create d", 2, `create volume "d": --size is missing: how large a disk, such as --size 20G`},
		{"volume create d --size big", 2, `"big" is no size: write a number of bytes, or one with K, M, G or T (powers of 1024), such as 512M or 10G`},
		{"volume create d --size 1000", 2, `"1000" is no size of a disk: it must be a multiple of 4096 bytes`},
		{"volume create d --size 1G --block-size 2048", 2, `--block-size 2048: write 512 or 4096`},
		{"volume create d --size 1G --limit lots", 2, `--limit "lots" is no size: write a number of bytes, or one with K, M, G or T (powers of 1024), such as 512M or 10G; or none`},
		{"volume create d --size 1G", 4, `volume "data1" is in use`},
		{"machine attach pc01", 2, `attach to "pc01": give --volume or --image, one of them`},
		{"machine attach pc01 --volume a --image b:1", 2, `attach to "pc01": give --volume or --image, one of them`},
		{"machine attach pc01 --volume a --lun 1", 2, `--lun 1: it is a number from 2 to 254: 0 is the machine's own disk, 1 its identity`},
		{"machine attach pc01 --volume a --lun 255", 2, `--lun 255: it is a number from 2 to 254: 0 is the machine's own disk, 1 its identity`},
		{"machine attach pc01 --volume data1", 4, `volume "data1" is in use`},
		{"machine detach pc01", 2, "detach from \"pc01\": --lun is missing: `bootes machine show pc01` lists what it has"},
		{"machine detach pc01 --lun 2", 4, `volume "data1" is in use`},
		{"volume set data1 --iops 0", 2, `--iops "0": write a number from 1 on, or none`},
		{"volume set data1 --iops 5none", 2, `--iops "5none": write a number from 1 on, or none`},
		{"volume set data1 --iops x", 2, `--iops "x": write a number from 1 on, or none`},
		{"volume set data1 --bandwidth x", 2, `--bandwidth "x" is no size: write one such as 50M, for a second, or none`},
		{"volume io pc01 --over 1h", 2, `--over 1h0m0s: write a time from 10ms to 1m`},
		{"volume set data1 --shared=maybe", 2, `--shared=maybe: write on or off`},
		{"volume set data1 --write-through=maybe", 2, `--write-through=maybe: write on or off`},
		{"image import a:1 b.iso --cdrom --identity", 2, `--cdrom and --identity exclude each other: no machine boots from a CD-ROM here`},
	} {
		out, errs, code := bootes(t, append([]string{"--socket", socket}, strings.Fields(tt.args)...)...)
		if code != tt.code || errs != "bootes: "+tt.want+"\n" || out != "" {
			t.Errorf("%s: code %d, want %d, out %q\ngot  %swant bootes: %s", tt.args, code, tt.code, out, errs, tt.want)
		}
	}
}
