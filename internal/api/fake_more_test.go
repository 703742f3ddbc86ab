package api

import (
	"bytes"
	"context"
	"fmt"
	"io"
)

// more is the part of the fake behind the routes for tags, snapshots,
// updates, streams, files and space.
type more struct {
	onExport  func(ctx context.Context, job Export, progress func(Progress)) error
	onBackup  func(ctx context.Context, job Backup, progress func(Progress)) error
	onRestore func(ctx context.Context, job Restore, progress func(Progress)) error
	file      io.Reader // what Open gives, of size fileSize
	fileSize  int64
	spans     []Span // that packets were asked for
	pcap      []byte
}

func (f *fake) fault() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

var stage = Progress{Step: "merge", Done: 1, Total: 2}

func (f *fake) Tags(context.Context) ([]Tag, error) {
	return []Tag{{Ref: "debian:stable", Image: "debian:12", Moved: born}}, f.fault()
}
func (f *fake) SetTag(_ context.Context, ref, image string) (Tag, error) {
	return Tag{Ref: ref, Image: image, Previous: "debian:11", Moved: born}, f.call("tag", ref, image)
}
func (f *fake) RemoveTag(_ context.Context, ref string) error { return f.call("rm tag", ref) }

func (f *fake) History(_ context.Context, ref string) ([]HistoryLine, error) {
	return []HistoryLine{{Layer: "l1", Image: ref, Own: 4096, Stored: 8192, Size: 4 << 30, Created: born}}, f.fault()
}
func (f *fake) VerifyImage(_ context.Context, ref string, progress func(Progress)) (Verified, error) {
	progress(stage)
	return Verified{Ref: ref, Size: 4 << 30}, f.call("verify", ref)
}
func (f *fake) CheckImage(_ context.Context, ref, card string) (Checked, error) {
	return Checked{Ref: ref, Good: []string{"all"}}, f.call("check", ref, card)
}
func (f *fake) FlattenImage(_ context.Context, ref string, progress func(Progress)) (Image, error) {
	progress(stage)
	return Image{Ref: ref, Depth: 1}, f.call("flatten image", ref)
}

func (f *fake) CreateVolume(_ context.Context, n NewVolume) (Volume, error) {
	return Volume{ID: n.Name, Mode: Data, Size: n.Size, BlockSize: n.BlockSize, Shared: n.Shared}, f.call("create", n)
}
func (f *fake) Attach(_ context.Context, machine string, r AttachRequest) (Attached, error) {
	return Attached{Machine: machine, Attachment: Attachment{LUN: 2, Volume: r.Volume, Image: r.Image, ReadOnly: r.ReadOnly}, Kind: DiskImage, Live: true}, f.call("attach", machine, r)
}
func (f *fake) Detach(_ context.Context, machine string, lun uint8, force bool) (Attached, error) {
	return Attached{Machine: machine, Attachment: Attachment{LUN: lun, Image: "tools:1"}, Kind: CDROM}, f.call("detach", machine, lun, force)
}

func (f *fake) Snapshot(_ context.Context, volume, name string) (Snapshot, error) {
	return Snapshot{Volume: volume, Name: name, Consistent: Crash, Created: born}, f.call("snapshot", volume, name)
}
func (f *fake) RemoveSnapshot(_ context.Context, volume, name string) error {
	return f.call("rm snapshot", volume, name)
}
func (f *fake) Rollback(_ context.Context, volume, name string) error {
	return f.call("rollback", volume, name)
}
func (f *fake) CloneVolume(_ context.Context, from Disk, machine string) (Volume, error) {
	return Volume{ID: "v2", Machine: machine}, f.call("clone", from, machine)
}

func (f *fake) ResizeVolume(_ context.Context, id string, size int64) error {
	return f.call("resize", id, size)
}
func (f *fake) ResetVolume(_ context.Context, id string) error { return f.call("reset", id) }
func (f *fake) FlattenVolume(_ context.Context, id string, progress func(Progress)) error {
	progress(stage)
	return f.call("flatten volume", id)
}
func (f *fake) ForceRemoveVolume(_ context.Context, id string) error { return f.call("force rm", id) }

func (f *fake) Commit(_ context.Context, volume string, c Commit) (NewImage, error) {
	return NewImage{Image: Image{Ref: c.Ref}, Consistent: Crash}, f.call("commit", volume, c)
}
func (f *fake) StartUpdate(_ context.Context, machine, image string) (Update, error) {
	return Update{Machine: machine, Image: image, Started: born}, f.call("update", machine, image)
}
func (f *fake) CancelUpdate(_ context.Context, machine string) (Update, error) {
	return Update{Machine: machine, Written: 7}, f.call("cancel", machine)
}
func (f *fake) Publish(_ context.Context, machine string, p Publish) (NewImage, error) {
	n := NewImage{Image: Image{Ref: p.Ref}, Consistent: Clean, Moved: &Tag{Ref: p.Tag, Image: p.Ref}}
	return n, f.call("publish", machine, p)
}

func (f *fake) Export(ctx context.Context, job Export, progress func(Progress)) (Exported, error) {
	return Exported{Format: job.Format, Size: 4 << 30}, f.onExport(ctx, job, progress)
}
func (f *fake) Backup(ctx context.Context, job Backup, progress func(Progress)) (BackedUp, error) {
	return BackedUp{Volume: job.Disk.Volume, Snapshot: job.Disk.Snapshot, Since: job.Since}, f.onBackup(ctx, job, progress)
}
func (f *fake) Restore(ctx context.Context, job Restore, progress func(Progress)) (Restored, error) {
	return Restored{Volume: Volume{ID: "v1", Machine: job.Machine}, Lost: 5}, f.onRestore(ctx, job, progress)
}

func (f *fake) Diff(_ context.Context, d Disk) (Diff, error) {
	return Diff{Volume: d.Volume, Snapshot: d.Snapshot, Against: "debian:12", Changed: 4096}, f.fault()
}
func (f *fake) List(_ context.Context, r FileRef) (Listing, error) {
	return Listing{place, []FileEntry{{Name: fmt.Sprint(r), Type: TypeDir, Mode: 0o1755, Modified: born}}}, f.fault()
}
func (f *fake) Open(_ context.Context, r FileRef) (*Content, error) {
	text := fmt.Sprint(r)
	if f.file != nil {
		return &Content{place, FileEntry{Size: f.fileSize}, io.NopCloser(f.file)}, f.fault()
	}
	return &Content{place, FileEntry{Size: int64(len(text))}, io.NopCloser(bytes.NewBufferString(text))}, f.fault()
}

var place = Place{Partition: 2, System: "ext4", Unclean: true}

func (f *fake) DHCP(context.Context) ([]DHCPStatus, error) {
	return []DHCPStatus{{Interface: "eth0", Mode: "auto"}}, f.fault()
}

func (f *fake) Loaders(context.Context) (Loaders, error) {
	return Loaders{Loaders: []Loader{{Firmware: "BIOS", File: "undionly.kpxe", Folder: "/l"}}}, f.fault()
}

func (f *fake) Leases(context.Context) ([]Lease, error) {
	return []Lease{{Address: "10.0.0.1", State: LeaseBound, Expires: born}}, f.fault()
}
func (f *fake) RemoveLease(_ context.Context, address string, force bool) error {
	return f.call("rm lease", address, force)
}

func (f *fake) Space(context.Context) (Space, error) {
	return Space{Dir: "/d", Free: 5, Volumes: []VolumeSpace{{ID: "v1"}}}, f.fault()
}
