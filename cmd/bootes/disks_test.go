package main

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"bootes.dev/internal/api"
)

// lines runs command lines, one after the other on the same world.
func lines(t *testing.T, w *world, tests []struct{ args, want string }) {
	t.Helper()
	socket := serveWorld(t, w)
	for _, tt := range tests {
		out, errs, code := bootes(t, append([]string{"--socket", socket}, strings.Fields(tt.args)...)...)
		if code != 0 || errs != "" || out != strings.TrimPrefix(tt.want, "\n") {
			t.Errorf("%s: code %d, %s\ngot\n%s\nwant%s", tt.args, code, errs, out, tt.want)
		}
	}
}

func TestImageTexts(t *testing.T) {
	w := newLab()
	w.files = []api.FileEntry{{Name: "os-release", Type: api.TypeSymlink, Size: 21, Mode: 0o777, Modified: now, Target: "../usr/lib/os-release"}}
	w.content = "NAME=Debian\n"
	lines(t, w, []struct{ args, want string }{
		{"image list", `
IMAGE      TAGS             SIZE    STORED  DIGEST               CREATED
debian:12  debian:stable   4 GiB  1.15 GiB  sha256:0123456789ab  3 days ago
win:11     -              64 GiB    20 GiB  -                    just now
debian:13  -               4 GiB   320 MiB  -                    just now
`},
		{"image show debian:13", `
image     debian:13
digest    still being made
size      4 GiB
stored    320 MiB
own       312 MiB, the rest is of debian:12
identity  its own: a clone keeps what the image has
created   2026-01-02 12:00:00 (just now)
`},
		{"image tag debian:stable debian:13", `
debian:stable points to debian:13, before to debian:12
their next boots start from it: kiosk
they keep the disks that they have: pc01; switched off, ` + "`bootes volume reset pc01`" + ` takes it
back: bootes image tag debian:stable debian:12
`},
		{"image tag new:tag debian:12", "\nnew:tag points to debian:12\n"},
		{"image history debian:13", `
  CHAIN                           OWN   STORED   SIZE  LAYER  CREATED
┌ debian:13                    12 MiB   13 MiB  4 GiB  l-3    just now
├ snapshot of 0f3a-1111-aaaa  300 MiB  300 MiB  4 GiB  l-2    just now
├ (no name)                     4 KiB    4 KiB  4 GiB  l-x    just now
└ debian:12                     1 GiB    1 GiB  4 GiB  l-1    just now
1.3 GiB of blocks, 1.31 GiB stored, in 4 layers
`},
		{"image history debian:12", `
  CHAIN        OWN  STORED   SIZE  LAYER  CREATED
─ debian:12  1 GiB   1 GiB  4 GiB  l-1    just now
1 GiB of blocks, 1 GiB stored, in 1 layer
`},
		{"image check debian:13", "\n  ok    the initramfs on its disk has iSCSI\n  note  line 3 of p3:/etc/fstab mounts /home from nas:/home; not looked whether that is there\nnothing in debian:13 was found that would keep a machine from booting it\n"},
		{"image verify debian:13", "\nverified debian:13: all 4 GiB are as they were, sha256:0123456789ab\n"},
		{"image flatten debian:13", "\nflattened debian:13: it stands on no other image and takes 2 GiB\n"},
		{"image update debian:12 --machine pc01", `
reboot pc01: it starts on a writable copy of debian:12, kept until it is published
change it, switch it off, then: bootes image publish pc01 debian:14 --tag debian:stable
or give it up: bootes image update --cancel pc01
`},
		{"image update win:11 --machine pc01", `
reboot pc01: it starts on a writable copy of win:11, kept until it is published
change it, switch it off, then: bootes image publish pc01 win:12
or give it up: bootes image update --cancel pc01
`},
		{"image update --cancel pc01", "\nthe update of debian:12 on pc01 is given up: 312 MiB written to its copy are lost; pc01 boots its own disk again\n"},
		{"image publish pc01 debian:14 --tag debian:stable", `
published debian:14: 4 GiB, 312 MiB of its own on top of debian:12
debian:stable points to debian:14, before to debian:12
their next boots start from it: kiosk
they keep the disks that they have: pc01; switched off, ` + "`bootes volume reset pc01`" + ` takes it
back: bootes image tag debian:stable debian:12
pc01 boots its own disk again from its next boot on
`},
		{"image publish pc01 debian:14", `
published debian:14: 4 GiB, 312 MiB of its own on top of debian:12
machines get it by ` + "`bootes machine set MACHINE --image debian:14`, or by a tag that they boot: `bootes image tag TAG debian:14`" + `
pc01 boots its own disk again from its next boot on
`},
		{"image rm debian:stable win:11", "\nremoved tag debian:stable: its image debian:12 stays\nremoved image win:11\n"},
		{"image ls debian:12:/etc", "\nlrwxrwxrwx  21  2026-01-02 12:00  os-release -> ../usr/lib/os-release\n"},
		{"image cat debian:12:/etc/os-release", "\nNAME=Debian\n"},
	})
}

func TestVolumeTexts(t *testing.T) {
	w := newLab()
	w.files = []api.FileEntry{
		{Name: "log", Type: api.TypeDir, Size: 4096, Mode: 0o2755, Modified: now},
		{Name: "bad\x1bname", Type: api.TypeFile, Size: 1234567, Mode: 0o4640, Modified: now},
		{Name: "tmp", Type: api.TypeDir, Mode: 0o1777, Modified: now}, {Name: "tty", Type: api.TypeOther, Mode: 0o1620, Modified: now, Error: "inode 9: bad checksum"},
	}
	w.content = "pc01\n"
	lines(t, w, []struct{ args, want string }{
		{"volume ls", `
VOLUME          MACHINE  IMAGE      NEWER      MODE         SIZE    OWN  STORED          LIMIT  OPEN  CREATED
0f3a-1111-aaaa  pc01     debian:12  debian:13  persistent  4 GiB  3 MiB   5 MiB  8 % of 10 GiB  yes   60 min ago
0f3a-2222-bbbb  kiosk    debian:12  -          ephemeral   4 GiB    0 B     0 B           none  no    60 s ago
77aa-3333-cccc  kiosk    debian:12  -          ephemeral   4 GiB    0 B     0 B           none  no    60 min ago
99cc-4444-dddd  builder  debian:12  -          persistent  4 GiB    0 B     0 B           none  no    just now
99cc-5555-eeee  builder  debian:13  -          update      4 GiB    0 B     0 B           none  no    just now
`},
		{"volume show pc01", `
volume         0f3a-1111-aaaa
machine        pc01
image          debian:12
made for       debian:stable
newer          debian:13: switch it off, then ` + "`bootes volume reset pc01`" + ` takes it
digest         sha256:01
mode           persistent
size           4 GiB
stored         5 MiB
own            3 MiB written since snapshot friday
private        5 MiB that nothing else has
limit          8 % of 10 GiB
write-through  on: each write is on the disk before the machine is told so
open           yes
traffic        190 MiB read, 6 MiB written since it was opened
created        2026-01-02 11:00:00 (60 min ago)

SNAPSHOT    OWN   SIZE  STATE  CREATED
monday    1 MiB  4 GiB  clean  24 h ago
friday    1 MiB  4 GiB  crash  60 min ago
`},
		{"volume show builder", `
volume   99cc-4444-dddd
machine  builder
image    debian:12
mode     persistent
size     4 GiB
stored   0 B
own      0 B
private  0 B that nothing else has
limit    none
open     no
created  2026-01-02 12:00:00 (just now)
`},
		{"volume snapshot pc01", `
snapshot pc01@2026-01-02-120000: 3 MiB written since snapshot friday, of a running machine: as if its power had been cut
back to it, when the machine is off: bootes volume rollback pc01 2026-01-02-120000
`},
		{"volume snapshot 0f3a-2222-bbbb before", `
snapshot kiosk@before: 0 B, of a running machine: as if its power had been cut
kiosk is ephemeral: this goes with its disk, at its next boot. To keep it: bootes volume commit kiosk@before NAME:TAG
`},
		{"volume snapshot 99cc-5555-eeee before", `
snapshot 99cc-5555-eeee@before: 0 B, of a running machine: as if its power had been cut
back to it, when the machine is off: bootes volume rollback 99cc-5555-eeee before
`},
		{"volume rollback pc01 monday", `
pc01 is back at monday
lost: 3 MiB written since snapshot friday
kept: 2 snapshots: monday, friday
`},
		{"volume clone pc01@monday kiosk", "\nvolume 7abc-1234-5678, a clone of pc01@monday, is the disk of kiosk from its next boot on\n"},
		{"volume commit pc01@friday lab:2", `
made of pc01@friday the image lab:2: 4 GiB, 3 MiB of its own on top of debian:12
it was taken of a running machine: as if its power had been cut at that moment
inside are the SSH host keys and the machine-id of pc01: whoever runs a clone can read them; ` + "`bootes image update`" + ` makes an image without
machines get it by ` + "`bootes machine set MACHINE --image lab:2`, or by a tag that they boot: `bootes image tag TAG lab:2`" + `
`},
		{"volume diff pc01", `
pc01 against debian:12: 3 MiB changed, 1 MiB zeroed
PARTITION  NAME  TYPE         START    SIZE  CHANGED    ZEROED
  outside  -     -                -       -      0 B     4 KiB
        1  esp   EFI system   1 MiB  64 MiB      0 B       0 B
        2  -     Linux       65 MiB   3 GiB    3 MiB  1020 KiB
`},
		{"volume io pc01", `
0f3a-1111-aaaa, opened 60 min ago
OP     IOPS  PER SECOND  COMMANDS  BYTES  MEAN   P50   P99
read   1234       5 MiB     99000  1 GiB  85µs  81µs  16ms
flush     0         0 B         0    0 B     -     -     -

SLOW      OP     FROM      LUN  OFFSET  LENGTH  TOOK  QUEUE  LOCK  LIMIT  DISK  SOCKET
60 s ago  write  10.0.0.7    0    8192   4 KiB  1.5s  200ms     -      -  1.3s   300µs
`},
		{"volume io 77aa", "\n77aa-3333-cccc is not open: no machine uses it\n"},
		{"volume resize pc01 8G", "\npc01 has 8 GiB, before 4 GiB: its system can now grow its partition and file system\n"},
		{"volume resize pc01 2G --shrink", "\npc01 has 2 GiB, before 8 GiB: the last 6 GiB are lost; snapshots have their own sizes\n"},
		{"volume set pc01 --limit none --write-through=off", `
limit of volume 0f3a-1111-aaaa of pc01: none (5 MiB stored)
write-through of volume 0f3a-1111-aaaa of pc01: off
`},
		{"volume ls pc01@monday:/var", `
drwxr-sr-x     4096  2026-01-02 12:00  log
-rwSr-----  1234567  2026-01-02 12:00  bad?name
drwxrwxrwt        0  2026-01-02 12:00  tmp
?rw--w---T        0  2026-01-02 12:00  tty (inode 9: bad checksum)
`},
		{"volume cat pc01:etc/hostname", "\npc01\n"},
		{"volume reset pc01", `
pc01 is a fresh clone of debian:13, before of debian:12
lost: 3 MiB written since snapshot friday
kept: 2 snapshots: monday, friday
`},
		{"volume rm pc01@monday 77aa --force", `
removed snapshot pc01@monday: the disk stays as it is
removed volume 77aa-3333-cccc of kiosk: lost 0 B that only it had
`},
		{"volume flatten pc01", "\nflattened pc01: it stands alone, on no image, and takes 5 MiB\nas before, with what they stand on: 2 snapshots: monday, friday\n"},
		{"volume rm pc01", "\nremoved volume 0f3a-1111-aaaa of pc01: lost 5 MiB that only it had, with 2 snapshots\n"},
		{"machine list", `
MACHINE  MAC                                  IMAGE               NEWER      MODE        STAGE  LAST SEEN
pc01     52:54:00:00:00:01,52:54:00:00:00:11  debian:stable       debian:13  persistent  -      never
kiosk    52:54:00:00:00:02                    debian:stable       -          ephemeral   -      never
builder  52:54:00:00:00:03                    debian:13 (update)  -          persistent  -      never
`},
		{"machine show builder", `
machine  builder
mac      52:54:00:00:00:03
image    debian:12
update   it boots a writable copy of debian:13 (7 MiB written) instead of its own disk, until ` +
			"`bootes image publish builder NAME:TAG` or `bootes image update --cancel builder`" + `
mode     persistent
limit    none
`},
		{"dhcp-status", `
INTERFACE  DHCP  ADDRESS
eth0       auto  10.0.0.1
eth1       off   -

other DHCP servers:
INTERFACE  SERVER     KIND    MAC                SINCE       LAST HEARD  STATE       BOOTS
eth0       10.0.0.2   server  02:00:00:00:00:02  3 h ago     2 min ago   there       pxelinux.0 from 10.0.0.9
eth0       10.0.0.66  server  -                  60 min ago  60 min ago  unexpected  -
eth0       10.0.0.7   proxy   02:00:00:00:00:07  60 min ago  60 min ago  gone        -
`},
		{"loaders", `
folders: /srv/ipxeboot, /usr/lib/ipxe

FIRMWARE     FILE                        FOLDER         SIGNED
BIOS         undionly.kpxe               /usr/lib/ipxe  no
UEFI x86-64  x86_64-sb/snponly-shim.efi  /srv/ipxeboot  yes

nothing yet for:
UEFI arm64  put iPXE's snponly.efi there
`},
		{"lease ls", `
ADDRESS      MAC                MACHINE  HOST NAME  STATE     NETWORK       UNTIL
10.77.0.100  52:54:00:00:00:01  pc01     pc01       bound     10.77.0.0/24  ` + now.Local().Format("2006-01-02 15:04:05") + `
10.77.0.101  -                  -        -          declined  10.77.0.0/24  ` + now.Local().Format("2006-01-02 15:04:05") + `
`},
		{"lease rm 10.77.0.101", "\nremoved lease of 10.77.0.101\n"},
		{"df", `
folder       /var/lib/bootes
disk         320 GiB free of 500 GiB; machines leave 5 GiB of it free
being freed  1 GiB of removed disks
used         3 GiB by 2 images and 1 volume
saved        317 MiB: as copies they would take 3.31 GiB

IMAGE       SIZE      OWN  SHARED
debian:12  4 GiB    1 GiB     0 B
debian:13  4 GiB  312 MiB   1 GiB

VOLUME          MACHINE   SIZE    OWN  SHARED   LIMIT
0f3a-1111-aaaa  pc01     4 GiB  5 MiB   1 GiB  10 GiB
`},
	})
}

// What each command line asks of the server.
func TestDiskCalls(t *testing.T) {
	w := newLab()
	t.Setenv("BOOTES_SOCKET", serveWorld(t, w))
	const pc01 = "0f3a-1111-aaaa"
	limit, on := int64(20<<30), true
	for args, want := range map[string][]any{
		"image tag a:b c:d":                             {"tag", "a:b", "c:d"},
		"image rm debian:stable":                        {"rm tag", "debian:stable"},
		"image update debian:stable --machine pc01":     {"update", "pc01", "debian:stable"},
		"image publish pc01 a:b --tag c:d --running":    {"publish", "pc01", api.Publish{Ref: "a:b", Tag: "c:d", Running: true}},
		"image ls debian:stable:p2:/a:b":                {"list", api.FileRef{Disk: api.Disk{Image: "debian:stable"}, Path: "p2:/a:b"}},
		"volume snapshot pc01 now":                      {"snapshot", pc01, "now"},
		"volume rollback 0f3a-1 monday":                 {"rollback", pc01, "monday"},
		"volume clone pc01 pc02":                        {"clone", api.Disk{Volume: pc01}, "pc02"},
		"volume commit pc01 a:b --tag c:d":              {"commit", pc01, api.Commit{Ref: "a:b", Tag: "c:d"}},
		"volume diff pc01@monday":                       {"diff", api.Disk{Volume: pc01, Snapshot: "monday"}},
		"volume io pc01 --over 2s":                      {"io", pc01, 2 * time.Second},
		"volume resize pc01 16G":                        {"resize", pc01, int64(16 << 30)},
		"volume set pc01 --limit 20G":                   {pc01, api.VolumeChange{Limit: &limit}},
		"volume set pc01 --write-through=on":            {pc01, api.VolumeChange{WriteThrough: &on}},
		"volume rm pc01 --force":                        {"force rm", pc01},
		"volume rm pc01@monday":                         {"rm snapshot", pc01, "monday"},
		"volume cat pc01@monday:/a b":                   {"open", api.FileRef{Disk: api.Disk{Volume: pc01, Snapshot: "monday"}, Path: "/a b"}},
		"volume cat 99cc-5555-eeee:/x":                  {"open", api.FileRef{Disk: api.Disk{Volume: "99cc-5555-eeee"}, Path: "/x"}},
		"image cat debian:12:boot/grub":                 {"open", api.FileRef{Disk: api.Disk{Image: "debian:12"}, Path: "boot/grub"}},
		"volume reset pc01":                             {"reset", pc01},
		"volume flatten pc01":                           {"flatten volume", pc01},
		"image flatten debian:13":                       {"flatten image", "debian:13"},
		"lease rm 10.77.0.100 --force":                  {"rm lease", "10.77.0.100", true},
		"image verify debian:13":                        {"verify", "debian:13"},
		"image check debian:13 --card 8086:100E":        {"check", "debian:13", "8086:100e"},
		"image update --cancel pc01":                    {"cancel", "pc01"},
		"volume rollback pc01 2026-01-02-120000":        {"rollback", pc01, "2026-01-02-120000"},
		"volume ls pc01: -o json":                       {"list", api.FileRef{Disk: api.Disk{Volume: pc01}, Path: "/"}},
		"volume resize pc01 32G --socket " + t.Name():   nil,
		"image publish pc01 a:b --socket /nowhere/here": nil,
	} {
		w.mu.Lock()
		w.calls = nil
		w.mu.Unlock()
		fields := strings.Fields(args)
		if strings.HasSuffix(args, ":/a b") {
			fields = []string{"volume", "cat", "pc01@monday:/a b"}
		}
		_, errs, code := bootes(t, fields...)
		if got := w.called(); (code == 0) != (want != nil) || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: code %d, %s: the server was called with %+v, want %+v", args, code, errs, got, want)
		}
	}
}

// With -o json the output is what the API gives.
func TestDiskJSON(t *testing.T) {
	w := newLab()
	t.Setenv("BOOTES_SOCKET", serveWorld(t, w))
	for args, want := range map[string]any{
		"image tag a:b c:d":           api.Tag{Ref: "a:b", Image: "c:d", Previous: "debian:12", Moved: now},
		"image verify debian:13":      api.Verified{Ref: "debian:13", Digest: "sha256:0123456789abcdef", Size: 4 << 30, Bad: []api.BadRange{}},
		"volume rollback pc01 monday": api.Undone{Volume: w.volumes.Volumes[0], Lost: 3 << 20},
		"volume snapshot pc01 s":      api.Snapshot{Volume: "0f3a-1111-aaaa", Name: "s", Own: 3 << 20, Size: 4 << 30, Consistent: api.Crash, Created: now},
		"image update --cancel pc01":  api.Update{Machine: "pc01", Image: "debian:12", Written: 312 << 20},
		"df":                          w.space,
		"loaders":                     w.loaders,
		"dhcp-status":                 w.dhcp,
		"lease ls":                    w.leases,
		"volume rm pc01":              removed{Removed: []string{"pc01"}, Lost: 5 << 20},
		"image rm debian:stable":      removed{Removed: []string{"debian:stable"}},
	} {
		out, errs, code := bootes(t, append(strings.Fields(args), "-o", "json")...)
		got := reflect.New(reflect.TypeOf(want))
		err := json.Unmarshal([]byte(out), got.Interface())
		if err != nil || code != 0 || errs != "" || !reflect.DeepEqual(got.Elem().Interface(), want) {
			t.Errorf("%s: code %d, %s, %v: %s", args, code, errs, err, out)
		}
	}
}

func TestDamagedImage(t *testing.T) {
	w := newLab()
	w.verified.Bad = []api.BadRange{{Offset: 1 << 20, Length: 1 << 20, Layers: []string{"l-2", "l-1"}}, {Offset: 3 << 30, Length: 1 << 20, Layers: []string{"l-1"}}}
	socket := serveWorld(t, w)
	out, errs, code := bootes(t, "image", "verify", "debian:13", "--socket", socket)
	wantOut := `
    OFFSET  LENGTH  LAYERS
   1048576   1 MiB  l-2,l-1
3221225472   1 MiB  l-1
`
	wantErr := "bootes: image debian:13 is damaged in 2 places: machines that read there get errors. Import it again under another name, " +
		"or put the files of these layers back from a backup of the server\n"
	if code != exitFailure || out != wantOut[1:] || errs != wantErr {
		t.Errorf("code %d\n%s%s", code, out, errs)
	}
	out, _, code = bootes(t, "image", "verify", "debian:13", "--socket", socket, "-o", "json")
	var v api.Verified
	if err := json.Unmarshal([]byte(out), &v); err != nil || code != exitFailure || len(v.Bad) != 2 {
		t.Errorf("-o json: code %d, %v: %s", code, err, out)
	}
}

func TestDiskRefusals(t *testing.T) {
	w := newLab()
	w.err = api.Errorf(api.Conflict, "volume 0f3a-1111-aaaa is open: switch pc01 off first")
	socket := serveWorld(t, w)
	dir := t.TempDir()
	for _, tt := range []struct {
		args string
		code int
		want string
	}{
		{"image tag debian:stable", 2, "IMAGE is missing\n`bootes image tag --help` shows how it is used"},
		{"image update debian:12", 2, "--machine is missing: the one to boot it on, such as --machine pc01\n`bootes image update --help` shows how it is used"},
		{"image update --machine pc01", 2, "IMAGE is missing\n`bootes image update --help` shows how it is used"},
		{"image update debian:12 --cancel pc01", 2, "--cancel goes alone, with the machine's name: bootes image update --cancel pc01\n`bootes image update --help` shows how it is used"},
		{"image publish pc01", 2, "NAME:TAG is missing\n`bootes image publish --help` shows how it is used"},
		{"image history debian", 2, `"debian" is no image: write name:tag, such as debian:12`},
		{"image verify debian", 2, `"debian" is no image: write name:tag, such as debian:12`},
		{"image flatten debian", 2, `"debian" is no image: write name:tag, such as debian:12`},
		{"image export debian " + dir + "/x", 2, `"debian" is no image: write name:tag, such as debian:12`},
		{"image export debian:12 -", 2, "an export goes to a file, whose parts are not written in order: `bootes volume backup` writes to a pipe"},
		{"image export debian:12 x --format iso", 2, `--format "iso" is no format: write one of raw, qcow2, vhd, vhdx, vmdk`},
		{"image export debian:12 " + dir, 2, `export: "` + dir + `" is a folder: name a file`},
		{"image export debian:12 /dev/null", 2, `export: "/dev/null" is no regular file`},
		{"image export debian:12 " + dir + "/no/x.raw", 3, `export: make "` + dir + `/no/x.raw": no such file or directory`},
		{"image ls debian:12", 2, `"debian:12" names no file: write NAME:TAG:PATH, such as debian:12:/etc/os-release`},
		{"image cat debian:12:/x -o json", 2, "cat writes a file as it is, not as JSON: leave -o json out"},
		{"image ls a:b:/ c:d:/", 2, "\"c:d:/\" is one argument too many\n`bootes image ls --help` shows how it is used"},
		{"volume ls pc01", 2, `"pc01" names no file: write VOLUME:PATH, such as pc01:/etc/hostname`},
		{"volume cat pc99:/x", 3, "no volume \"pc99\", nor a machine \"pc99\" that has one: `bootes volume list` shows all"},
		{"volume cat pc01:/x", 4, "volume 0f3a-1111-aaaa is open: switch pc01 off first"},
		{"volume snapshot pc01 a b", 2, "\"b\" is one argument too many\n`bootes volume snapshot --help` shows how it is used"},
		{"volume snapshot", 2, "VOLUME is missing\n`bootes volume snapshot --help` shows how it is used"},
		{"volume snapshot pc01@monday", 2, `"@monday" is a snapshot: this goes for the whole volume "pc01"`},
		{"volume rollback pc01", 2, "NAME is missing\n`bootes volume rollback --help` shows how it is used"},
		{"volume rollback pc01 monday", 4, "volume 0f3a-1111-aaaa is open: switch pc01 off first"},
		{"volume commit pc01@ a:b", 2, `"pc01@" names no snapshot: write VOLUME@SNAPSHOT, such as pc01@before-upgrade`},
		{"volume resize pc01 huge", 2, `"huge" is no size: write a number of bytes, or one with K, M, G or T (powers of 1024), such as 512M or 10G`},
		{"volume resize pc01 5000", 2, `"5000" is no size of a disk: it must be a multiple of 4096 bytes`},
		{"volume resize pc01 1G", 4, "pc01 has 4 GiB: to make it smaller, to 1 GiB, throws away what lies beyond: --shrink allows it"},
		{"volume set pc01 --write-through=maybe", 2, "--write-through=maybe: write on or off"},
		{"volume backup pc01 -", 2, "back up: standard output is a terminal, and a backup is binary: name a file, or write it to a pipe: … - | ssh nas 'cat > FILE'"},
		{"volume backup pc01 " + dir, 2, `back up: "` + dir + `" is a folder: name a file`},
		{"volume restore pc01 " + dir, 2, `restore: "` + dir + `" is a folder: name a file`},
		{"volume restore pc01 " + dir + "/none", 3, "restore: open " + dir + "/none: no such file or directory"},
		{"volume rm pc01@", 2, `"pc01@" names no snapshot: write VOLUME@SNAPSHOT, such as pc01@before-upgrade`},
	} {
		out, errs, code := bootes(t, append([]string{"--socket", socket}, strings.Fields(tt.args)...)...)
		if code != tt.code || errs != "bootes: "+tt.want+"\n" {
			t.Errorf("%s: code %d, want %d\ngot  %swant bootes: %s", tt.args, code, tt.code, errs, tt.want)
		}
		if out != "" && !strings.Contains(tt.args, " rm ") {
			t.Errorf("%s: fails, but says %s", tt.args, out)
		}
	}
}

func TestNextRef(t *testing.T) {
	taken := []api.Image{{Ref: "debian:12", Tags: []string{"lab-2"}}, {Ref: "debian:13"}}
	for ref, want := range map[string]string{
		"debian:12": "debian:14", "pc:2026-09": "pc:2026-10", "lab:stable": "lab:stable-2", "a:99": "a:100", "x:99999999999999999999": "x:99999999999999999999-2",
	} {
		if got := nextRef(ref, taken); got != want {
			t.Errorf("after %s: %s, want %s", ref, got, want)
		}
	}
}

func TestFew(t *testing.T) {
	names := strings.Split("abcdefghijk", "")
	if got := few(names[:8]); got != "a, b, c, d, e, f, g, h" {
		t.Error(got)
	}
	if got := few(names); got != "a, b, c, d, e, f, g and 4 more" {
		t.Error(got)
	}
}

// TestPickVolume: a name that means no volume must not mean somebody else's.
func TestPickVolume(t *testing.T) {
	all := []api.Volume{
		{ID: "pc10-0a1b2c3d", Machine: "pc10"}, {ID: "pc10-lab-00000001", Machine: "pc10-lab"},
		{ID: "room-2-pc1-aaaaaaaa", Machine: "room-2-pc1"}, {ID: "room-2-pc1-aabbbbbb", Machine: "room-2-pc1", Mode: api.Updating},
	}
	for name, want := range map[string]string{
		"pc10": "pc10-0a1b2c3d", "pc10-0a1b2c3d": "pc10-0a1b2c3d", "pc10-0a": "pc10-0a1b2c3d", "pc10-lab": "pc10-lab-00000001",
		"room-2-pc1": "room-2-pc1-aaaaaaaa", "room-2-pc1-aab": "room-2-pc1-aabbbbbb",
		"pc1": "", "pc10-": "", "pc10-l": "", "room": "", "room-2": "", "room-2-pc1-aa": "", "": "",
	} {
		if v, err := pickVolume(all, name); v.ID != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", name, v.ID, err)
		}
	}
}
