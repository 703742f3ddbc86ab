package main

import (
	"context"
	"io"
	"strings"
	"time"

	"bootes.dev/internal/api"
)

// newLab is a world with a history: a tag that was moved, a machine that
// follows it, one that stays behind, and one that makes the next image.
func newLab() *world {
	w := newWorld()
	w.images[0].Tags = []string{"debian:stable"}
	w.images = append(w.images, api.Image{
		Ref: "debian:13", Parent: "debian:12", Own: 312 << 20, Depth: 3, Size: 4 << 30, Stored: 320 << 20, Tags: []string{}, Created: now,
	})
	w.machines[0].Image, w.machines[0].Newer = "debian:stable", "debian:13"
	w.machines[1].Image = "debian:stable"
	w.machines = append(w.machines, api.Machine{
		Name: "builder", MACs: []string{"52:54:00:00:00:03"}, Image: "debian:12", Mode: api.Persistent,
		Update: &api.Update{Machine: "builder", Image: "debian:13", Written: 7 << 20},
	})
	v := &w.volumes.Volumes[0]
	v.Since, v.Ref, v.Newer, v.Own, v.Private, v.UsedPercent, v.WriteThrough = "friday", "debian:stable", "debian:13", 3<<20, 5<<20, 8, true
	v.Snapshots = []api.Snapshot{
		{Volume: v.ID, Name: "monday", Own: 1 << 20, Size: 4 << 30, Consistent: api.Clean, Created: now.Add(-24 * time.Hour)},
		{Volume: v.ID, Name: "friday", Own: 1 << 20, Size: 4 << 30, Consistent: api.Crash, Created: now.Add(-time.Hour)},
	}
	w.volumes.Volumes = append(w.volumes.Volumes,
		api.Volume{ID: "99cc-4444-dddd", Machine: "builder", Image: "debian:12", Mode: api.Persistent, Size: 4 << 30, Created: now},
		api.Volume{ID: "99cc-5555-eeee", Machine: "builder", Image: "debian:13", Mode: api.Updating, Size: 4 << 30, Created: now})
	w.verified = api.Verified{Ref: "debian:13", Digest: "sha256:0123456789abcdef", Size: 4 << 30}
	w.dhcp = []api.DHCPStatus{
		{Interface: "eth0", Mode: "auto", Address: "10.0.0.1", Others: []api.DHCPServer{
			{Server: "10.0.0.2", Kind: "server", MAC: "02:00:00:00:00:02", BootFile: "pxelinux.0", NextServer: "10.0.0.9", Since: now.Add(-3 * time.Hour), Last: now.Add(-2 * time.Minute)},
			{Server: "10.0.0.66", Kind: "server", Since: now.Add(-time.Hour), Last: now.Add(-time.Hour), Unexpected: true},
			{Server: "10.0.0.7", Kind: "proxy", MAC: "02:00:00:00:00:07", Since: now.Add(-time.Hour), Last: now.Add(-time.Hour), Gone: true},
		}},
		{Interface: "eth1", Mode: "off", Others: []api.DHCPServer{}},
	}
	w.loaders = api.Loaders{Folders: []string{"/srv/ipxeboot", "/usr/lib/ipxe"}, Loaders: []api.Loader{
		{Firmware: "BIOS", File: "undionly.kpxe", Folder: "/usr/lib/ipxe"},
		{Firmware: "UEFI x86-64", File: "x86_64-sb/snponly-shim.efi", Folder: "/srv/ipxeboot", Signed: true},
		{Firmware: "UEFI arm64", Lack: "put iPXE's snponly.efi there"},
	}}
	w.leases = []api.Lease{
		{Address: "10.77.0.100", MAC: "52:54:00:00:00:01", Machine: "pc01", Hostname: "pc01", State: api.LeaseBound, Network: "10.77.0.0/24", Interface: "br0", Expires: now},
		{Address: "10.77.0.101", State: api.LeaseDeclined, Network: "10.77.0.0/24", Expires: now},
	}
	w.space = api.Space{
		Dir: "/var/lib/bootes", Capacity: 500 << 30, Free: 320 << 30, MinFree: 5 << 30, Freeing: 1 << 30, TotalOwn: 3 << 30,
		Images:  []api.ImageSpace{{Ref: "debian:12", Virtual: 4 << 30, Own: 1 << 30}, {Ref: "debian:13", Virtual: 4 << 30, Own: 312 << 20, Shared: 1 << 30}},
		Volumes: []api.VolumeSpace{{ID: "0f3a-1111-aaaa", Machine: "pc01", Virtual: 4 << 30, Own: 5 << 20, Shared: 1 << 30, Limit: 10 << 30}},
	}
	return w
}

// as reads what a test may set meanwhile.
func as[T any](w *world, v *T) T {
	w.mu.Lock()
	defer w.mu.Unlock()
	return *v
}

// set changes the world while the server may be using it.
func (w *world) set(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
}

func (w *world) Tags(context.Context) ([]api.Tag, error) {
	return []api.Tag{{Ref: "debian:stable", Image: "debian:12"}}, nil
}
func (w *world) SetTag(_ context.Context, ref, image string) (api.Tag, error) {
	return api.Tag{Ref: ref, Image: image, Previous: "debian:12", Moved: now}, w.call("tag", ref, image)
}
func (w *world) RemoveTag(_ context.Context, ref string) error { return w.call("rm tag", ref) }

func (w *world) History(_ context.Context, ref string) ([]api.HistoryLine, error) {
	l := []api.HistoryLine{
		{Layer: "l-3", Image: ref, Own: 12 << 20, Stored: 13 << 20, Size: 4 << 30, Created: now},
		{Layer: "l-2", SnapshotOf: "0f3a-1111-aaaa", Own: 300 << 20, Stored: 300 << 20, Size: 4 << 30, Created: now},
		{Layer: "l-x", Own: 4096, Stored: 4096, Size: 4 << 30, Created: now},
		{Layer: "l-1", Image: "debian:12", Own: 1 << 30, Stored: 1 << 30, Size: 4 << 30, Created: now},
	}
	if ref == "debian:12" {
		l = l[3:]
	}
	return l, w.err
}
func (w *world) VerifyImage(_ context.Context, ref string, _ func(api.Progress)) (api.Verified, error) {
	return w.verified, w.call("verify", ref)
}
func (w *world) CheckImage(_ context.Context, ref, card string) (api.Checked, error) {
	c := api.Checked{Ref: ref, Good: []string{"the initramfs on its disk has iSCSI"}, Notes: []string{"line 3 of p3:/etc/fstab mounts /home from nas:/home; not looked whether that is there"}}
	if ref == "debian:12" {
		c.Faults = []api.ImageFault{{Name: "kernel-missing", Sure: true, Text: "the kernel p3:/vmlinuz is not there", Remedy: "install it again"}}
	}
	return c, w.call("check", ref, card)
}
func (w *world) FlattenImage(_ context.Context, ref string, _ func(api.Progress)) (api.Image, error) {
	return api.Image{Ref: ref, Depth: 1, Stored: 2 << 30}, w.call("flatten image", ref)
}

func (w *world) Snapshot(_ context.Context, volume, name string) (api.Snapshot, error) {
	s := api.Snapshot{Volume: volume, Name: name, Own: 3 << 20, Size: 4 << 30, Consistent: api.Crash, Created: now}
	return s, w.call("snapshot", volume, name)
}
func (w *world) RemoveSnapshot(_ context.Context, volume, name string) error {
	return w.call("rm snapshot", volume, name)
}
func (w *world) Rollback(_ context.Context, volume, name string) error {
	return w.call("rollback", volume, name)
}
func (w *world) CloneVolume(_ context.Context, from api.Disk, machine string) (api.Volume, error) {
	return api.Volume{ID: "7abc-1234-5678", Machine: machine}, w.call("clone", from, machine)
}

// change changes pc01's volume.
func (w *world) change(f func(v *api.Volume)) {
	w.set(func() { f(&w.volumes.Volumes[0]) })
}

func (w *world) ResizeVolume(_ context.Context, id string, size int64) error {
	w.change(func(v *api.Volume) { v.Size = size })
	return w.call("resize", id, size)
}
func (w *world) ResetVolume(_ context.Context, id string) error {
	w.change(func(v *api.Volume) { v.Image = "debian:13" })
	return w.call("reset", id)
}
func (w *world) FlattenVolume(_ context.Context, id string, _ func(api.Progress)) error {
	w.change(func(v *api.Volume) { v.Depth, v.Image, v.Newer = 1, "", "" })
	return w.call("flatten volume", id)
}
func (w *world) ForceRemoveVolume(_ context.Context, id string) error { return w.call("force rm", id) }

func (w *world) Commit(_ context.Context, volume string, c api.Commit) (api.NewImage, error) {
	n := api.NewImage{Image: api.Image{Ref: c.Ref, Size: 4 << 30, Own: 3 << 20, Parent: "debian:12"}, Consistent: api.Crash, IdentityOf: "pc01"}
	return n, w.call("commit", volume, c)
}
func (w *world) StartUpdate(_ context.Context, machine, image string) (api.Update, error) {
	err := w.call("update", machine, image)
	if image == "debian:stable" {
		image = "debian:12"
	}
	return api.Update{Machine: machine, Image: image, Started: now}, err
}
func (w *world) CancelUpdate(_ context.Context, machine string) (api.Update, error) {
	return api.Update{Machine: machine, Image: "debian:12", Written: 312 << 20}, w.call("cancel", machine)
}
func (w *world) Publish(_ context.Context, machine string, p api.Publish) (api.NewImage, error) {
	n := api.NewImage{Image: api.Image{Ref: p.Ref, Size: 4 << 30, Own: 312 << 20, Parent: "debian:12"}, Consistent: api.Clean}
	if p.Tag != "" {
		n.Moved = &api.Tag{Ref: p.Tag, Image: p.Ref, Previous: "debian:12"}
	}
	return n, w.call("publish", machine, p)
}

func (w *world) Export(ctx context.Context, job api.Export, p func(api.Progress)) (api.Exported, error) {
	return api.Exported{Format: job.Format, Size: 4 << 30}, as(w, &w.onExport)(ctx, job, p)
}
func (w *world) Backup(ctx context.Context, job api.Backup, p func(api.Progress)) (api.BackedUp, error) {
	return api.BackedUp{Volume: job.Disk.Volume, Snapshot: job.Disk.Snapshot, Since: job.Since}, as(w, &w.onBackup)(ctx, job, p)
}
func (w *world) Restore(ctx context.Context, job api.Restore, p func(api.Progress)) (api.Restored, error) {
	r := api.Restored{Volume: api.Volume{ID: "7abc-1234-5678", Machine: job.Machine, Size: 4 << 30}}
	if job.Force {
		r.Lost = 5 << 20
	}
	return r, as(w, &w.onRestore)(ctx, job, p)
}

func (w *world) Diff(_ context.Context, d api.Disk) (api.Diff, error) {
	return api.Diff{Volume: d.Volume, Against: "debian:12", Changed: 3 << 20, Zeroed: 1 << 20, Partitions: []api.DiffPartition{
		{Number: 0, Zeroed: 4096},
		{Number: 1, Name: "esp", Type: "EFI system", Start: 1 << 20, Size: 64 << 20},
		{Number: 2, Type: "Linux", Start: 65 << 20, Size: 3 << 30, Changed: 3 << 20, Zeroed: 1<<20 - 4096},
	}}, w.call("diff", d)
}
func (w *world) List(_ context.Context, r api.FileRef) (api.Listing, error) {
	return api.Listing{Place: as(w, &w.place), Files: w.files}, w.call("list", r)
}
func (w *world) Open(_ context.Context, r api.FileRef) (*api.Content, error) {
	content := as(w, &w.content)
	return &api.Content{
		Place: as(w, &w.place), FileEntry: api.FileEntry{Size: int64(len(content))}, ReadCloser: io.NopCloser(strings.NewReader(content)),
	}, w.call("open", r)
}

func (w *world) Leases(context.Context) ([]api.Lease, error) { return w.leases, w.err }
func (w *world) RemoveLease(_ context.Context, address string, force bool) error {
	return w.call("rm lease", address, force)
}
func (w *world) DHCP(context.Context) ([]api.DHCPStatus, error) { return w.dhcp, w.err }

func (w *world) Loaders(context.Context) (api.Loaders, error) { return w.loaders, w.err }
func (w *world) Space(context.Context) (api.Space, error)     { return w.space, w.err }
