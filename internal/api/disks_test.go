package api

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
)

func TestDiskCalls(t *testing.T) {
	f := newFake()
	f.volumes.Volumes[0].Own = 12
	c, _ := serve(t, f)
	ctx := t.Context()
	volume := f.volumes.Volumes[0]
	on := true
	for _, tt := range []struct {
		name  string
		call  func() (any, error)
		want  any
		calls []any
	}{
		{"tags", func() (any, error) { return c.Tags(ctx) }, []Tag{{Ref: "debian:stable", Image: "debian:12", Moved: born}}, nil},
		{
			"tag", func() (any, error) { return c.SetTag(ctx, "a:b", "c:d") },
			Tag{Ref: "a:b", Image: "c:d", Previous: "debian:11", Moved: born}, []any{"tag", "a:b", "c:d"},
		},
		{"rm tag", func() (any, error) { return nil, c.RemoveTag(ctx, "a:b") }, nil, []any{"rm tag", "a:b"}},
		{
			"history", func() (any, error) { return c.History(ctx, "a:b") },
			[]HistoryLine{{Layer: "l1", Image: "a:b", Own: 4096, Stored: 8192, Size: 4 << 30, Created: born}}, nil,
		},
		{
			"verify", func() (any, error) { return c.VerifyImage(ctx, "a:b", nil) },
			Verified{Ref: "a:b", Size: 4 << 30, Bad: []BadRange{}}, []any{"verify", "a:b"},
		},
		{
			"check", func() (any, error) { return c.CheckImage(ctx, "a:b", "8086:100e") },
			Checked{Ref: "a:b", Good: []string{"all"}, Faults: []ImageFault{}}, []any{"check", "a:b", "8086:100e"},
		},
		{
			"flatten image", func() (any, error) { return c.FlattenImage(ctx, "a:b", nil) },
			Image{Ref: "a:b", Depth: 1, Tags: []string{}}, []any{"flatten image", "a:b"},
		},
		{"flatten volume", func() (any, error) { return c.FlattenVolume(ctx, "v1", nil) }, volume, []any{"flatten volume", "v1"}},
		{
			"snapshot", func() (any, error) { return c.Snapshot(ctx, "v1", "s") },
			Snapshot{Volume: "v1", Name: "s", Consistent: Crash, Created: born}, []any{"snapshot", "v1", "s"},
		},
		{"rm snapshot", func() (any, error) { return nil, c.RemoveSnapshot(ctx, "v1", "a b/c") }, nil, []any{"rm snapshot", "v1", "a b/c"}},
		{"rollback", func() (any, error) { return c.Rollback(ctx, "v1", "s") }, Undone{Volume: volume, Lost: 12}, []any{"rollback", "v1", "s"}},
		{"reset", func() (any, error) { return c.ResetVolume(ctx, "v1") }, Undone{Volume: volume, Lost: 12}, []any{"reset", "v1"}},
		{
			"clone", func() (any, error) { return c.CloneVolume(ctx, Disk{Volume: "v1", Snapshot: "s"}, "pc02") },
			Volume{ID: "v2", Machine: "pc02", Snapshots: []Snapshot{}}, []any{"clone", Disk{Volume: "v1", Snapshot: "s"}, "pc02"},
		},
		{"grow", func() (any, error) { return c.ResizeVolume(ctx, "v1", 8<<30, false) }, volume, []any{"resize", "v1", int64(8 << 30)}},
		{"shrink", func() (any, error) { return c.ResizeVolume(ctx, "v1", 4096, true) }, volume, []any{"resize", "v1", int64(4096)}},
		{
			"create", func() (any, error) {
				return c.CreateVolume(ctx, NewVolume{Name: "data1", Size: 8192, BlockSize: 4096, Shared: true})
			},
			Volume{ID: "data1", Mode: Data, Size: 8192, BlockSize: 4096, Shared: true, Snapshots: []Snapshot{}},
			[]any{"create", NewVolume{Name: "data1", Size: 8192, BlockSize: 4096, Shared: true}},
		},
		{
			"attach", func() (any, error) {
				return c.Attach(ctx, "pc01", AttachRequest{Volume: "data1", LUN: 7, ReadOnly: true})
			},
			Attached{Machine: "pc01", Attachment: Attachment{LUN: 2, Volume: "data1", ReadOnly: true}, Kind: DiskImage, Live: true},
			[]any{"attach", "pc01", AttachRequest{Volume: "data1", LUN: 7, ReadOnly: true}},
		},
		{
			"detach", func() (any, error) { return c.Detach(ctx, "pc01", 7, true) },
			Attached{Machine: "pc01", Attachment: Attachment{LUN: 7, Image: "tools:1"}, Kind: CDROM}, []any{"detach", "pc01", uint8(7), true},
		},
		{"force rm", func() (any, error) { return nil, c.ForceRemoveVolume(ctx, "v1") }, nil, []any{"force rm", "v1"}},
		{
			"write-through", func() (any, error) { return c.SetVolume(ctx, "v1", VolumeChange{WriteThrough: &on}) },
			volume, []any{"v1", VolumeChange{WriteThrough: &on}},
		},
		{
			"diff", func() (any, error) { return c.Diff(ctx, Disk{Volume: "v1", Snapshot: "a&b"}) },
			Diff{Volume: "v1", Snapshot: "a&b", Against: "debian:12", Changed: 4096, Partitions: []DiffPartition{}}, nil,
		},
		{
			"commit", func() (any, error) { return c.Commit(ctx, "v1", Commit{Ref: "a:b", Snapshot: "s", Tag: "c:d"}) },
			NewImage{Image: Image{Ref: "a:b", Tags: []string{}}, Consistent: Crash}, []any{"commit", "v1", Commit{Ref: "a:b", Snapshot: "s", Tag: "c:d"}},
		},
		{
			"update", func() (any, error) { return c.StartUpdate(ctx, "pc01", "a:b") },
			Update{Machine: "pc01", Image: "a:b", Started: born}, []any{"update", "pc01", "a:b"},
		},
		{"cancel", func() (any, error) { return c.CancelUpdate(ctx, "pc01") }, Update{Machine: "pc01", Written: 7}, []any{"cancel", "pc01"}},
		{
			"publish", func() (any, error) { return c.Publish(ctx, "pc01", Publish{Ref: "a:b", Tag: "c:d", Running: true}) },
			NewImage{Image: Image{Ref: "a:b", Tags: []string{}}, Consistent: Clean, Moved: &Tag{Ref: "c:d", Image: "a:b"}},
			[]any{"publish", "pc01", Publish{Ref: "a:b", Tag: "c:d", Running: true}},
		},
		{
			"files", func() (any, error) {
				return c.Files(ctx, FileRef{Disk: Disk{Volume: "v1", Snapshot: "s"}, Path: "p2:/a b"})
			},
			Listing{place, []FileEntry{{Name: "{{ v1 s} p2:/a b}", Type: TypeDir, Mode: 0o1755, Modified: born}}}, nil,
		},
		{
			"space", func() (any, error) { return c.Space(ctx) },
			Space{Dir: "/d", Free: 5, Images: []ImageSpace{}, Volumes: []VolumeSpace{{ID: "v1"}}}, nil,
		},
		{"leases", func() (any, error) { return c.Leases(ctx) }, []Lease{{Address: "10.0.0.1", State: LeaseBound, Expires: born}}, nil},
		{"rm lease", func() (any, error) { return nil, c.RemoveLease(ctx, "10.0.0.1", true) }, nil, []any{"rm lease", "10.0.0.1", true}},
		{"DHCP", func() (any, error) { return c.DHCP(ctx) }, []DHCPStatus{{Interface: "eth0", Mode: "auto", Others: []DHCPServer{}}}, nil},
		{
			"loaders", func() (any, error) { return c.Loaders(ctx) },
			Loaders{Folders: []string{}, Loaders: []Loader{{Firmware: "BIOS", File: "undionly.kpxe", Folder: "/l"}}}, nil,
		},
	} {
		f.set(func() { f.calls = nil })
		got, err := tt.call()
		f.set(func() {
			if err != nil || !reflect.DeepEqual(got, tt.want) || !reflect.DeepEqual(f.calls, tt.calls) {
				t.Errorf("%s: %+v, %v; want %+v\nthe server was called with %+v, want %+v", tt.name, got, err, tt.want, f.calls, tt.calls)
			}
		})
	}
}

func TestReadFile(t *testing.T) {
	f := newFake()
	c, _ := serve(t, f)
	for ref, want := range map[FileRef]string{
		{Disk: Disk{Image: "debian:12"}, Path: "/etc/a?b"}:                 "{{debian:12  } /etc/a?b}",
		{Disk: Disk{Volume: "v1"}, Path: "/"}:                              "{{ v1 } /}",
		{Disk: Disk{Volume: "v1", Snapshot: "2026-01"}, Path: "p1:/EFI/x"}: "{{ v1 2026-01} p1:/EFI/x}",
	} {
		var b bytes.Buffer
		if p, err := c.ReadFile(t.Context(), ref, &b); err != nil || p != place || b.String() != want {
			t.Errorf("%+v: %q of %+v, %v", ref, &b, p, err)
		}
	}
	if _, err := c.ReadFile(t.Context(), FileRef{Disk: Disk{Image: "debian"}, Path: "/"}, io.Discard); err == nil || !strings.Contains(err.Error(), "write name:tag") {
		t.Errorf("no image: %v", err)
	}
	full := errors.New("disk full")
	if _, err := c.ReadFile(t.Context(), FileRef{Disk: Disk{Volume: "v1"}, Path: "/"}, failing{full}); !errors.Is(err, full) {
		t.Errorf("a writer that fails: %v", err)
	}
	f.set(func() { f.err = Errorf(NotFound, "no file") })
	if _, err := c.ReadFile(t.Context(), FileRef{Disk: Disk{Volume: "v1"}, Path: "/"}, io.Discard); err == nil || err.Error() != "no file" {
		t.Errorf("no file: %v", err)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

// A file that breaks off must not look like a short one.
func TestReadFileThatBreaksOff(t *testing.T) {
	for name, r := range map[string]io.Reader{
		"an error": io.MultiReader(strings.NewReader("beginning"), iotest.ErrReader(errors.New("bad block"))),
		"an end":   strings.NewReader("beginning"),
	} {
		f := newFake()
		f.file, f.fileSize = r, 1<<20
		c, _ := serve(t, f)
		var u *Unreachable
		_, err := c.ReadFile(t.Context(), FileRef{Disk: Disk{Volume: "v1"}, Path: "/x"}, io.Discard)
		if !errors.As(err, &u) || !strings.Contains(err.Error(), "did not finish its answer") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestBadDiskRequests(t *testing.T) {
	c, _ := serve(t, newFake())
	for _, tt := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"POST", "/v1/tags", `{"ref":"","image":"a:b"}`, 422, "validation failed: body.ref: expected length >= 1"},
		{"POST", "/v1/volumes/v1/snapshots", `{"name":""}`, 422, "validation failed: body.name: expected length >= 1"},
		{"POST", "/v1/volumes/v1/resize", `{"size":5000}`, 422, "validation failed: body.size: expected number to be a multiple of 4096"},
		{
			"POST", "/v1/volumes/v1/resize", `{"size":4096}`, 409,
			"resize volume v1: it has 4294967296 bytes, and 4096 are fewer: what lies beyond would be lost; --shrink allows it",
		},
		{"POST", "/v1/volumes/v9/reset", `{}`, 404, `no volume "v9"`},
		{"POST", "/v1/volumes/v9/rollback", `{"snapshot":"s"}`, 404, `no volume "v9"`},
		{"GET", "/v1/volumes/v1/file", "", 422, "validation failed: query.path: required query parameter is missing"},
		{"POST", "/v1/volumes/v1/export", `{"target":"x","format":"iso"}`, 422, `validation failed: body.format: expected value to be one of "raw, qcow2, vhd, vhdx, vmdk"`},
		{"POST", "/v1/volumes/v1/export", `{"target":"x"}`, 422, `export "x": no descriptor came with the request`},
		{"POST", "/v1/images/a/b/export", `{"target":"x","snapshot":"s"}`, 422, `export "x": an image has no snapshots`},
		{"POST", "/v1/volumes/v1/backup", `{"target":"x"}`, 422, `back up to "x": no descriptor came with the request`},
		{"POST", "/v1/machines/pc01/restore", `{"source":"x"}`, 422, `restore "x": no descriptor came with the request`},
	} {
		if e := ask(t, c, tt.method, tt.path, tt.body); e.Status != tt.status || e.Detail != tt.want {
			t.Errorf("%s %s %s:\ngot  %+v\nwant %s", tt.method, tt.path, tt.body, e, tt.want)
		}
	}
}

// What a server lacks it says, route by route.
func TestServerThatLacksParts(t *testing.T) {
	o := newFake().options()
	c, _ := serveOptions(t, Options{Images: o.Images, Machines: o.Machines, Volumes: o.Volumes, Boots: o.Boots, Log: o.Log})
	for _, tt := range []struct{ method, path, want string }{
		{"GET", "/v1/tags", "this server does not offer tags"},
		{"GET", "/v1/images/a/b/history", "this server does not offer chains of layers"},
		{"POST", "/v1/volumes/v1/snapshots", "this server does not offer snapshots"},
		{"POST", "/v1/volumes/v1/reset", "this server does not offer changes to whole disks"},
		{"DELETE", "/v1/volumes/v1?force=true", "this server does not offer removal by force"},
		{"DELETE", "/v1/machines/pc01/disks/2", "this server does not offer data volumes"},
		{"DELETE", "/v1/machines/pc01/update", "this server does not offer images of volumes"},
		{"POST", "/v1/volumes/v1/backup", "this server does not offer exports and backups"},
		{"GET", "/v1/volumes/v1/file?path=/", "this server does not offer a look into disks"},
		{"GET", "/v1/images/a/b/trace", "this server does not offer traces of boots"},
		{"GET", "/v1/volumes/v1/io", "this server does not offer the traffic of volumes"},
		{"GET", "/v1/leases", "this server does not offer leases"},
		{"GET", "/v1/dhcp", "this server does not offer a look at DHCP"},
		{"GET", "/v1/loaders", "this server does not offer the loaders that firmware is given"},
		{"GET", "/v1/space", "this server does not offer an overview of space"},
		{"GET", "/metrics", "this server does not offer metrics"},
	} {
		if e := ask(t, c, tt.method, tt.path, ""); e.Status != 501 || e.Kind() != Missing || e.Detail != tt.want {
			t.Errorf("%s %s: %+v", tt.method, tt.path, e)
		}
	}
}
