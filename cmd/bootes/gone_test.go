package main

import "testing"

// A machine whose disk stands alone outlives its image, and does not follow a
// tag.
func TestDiskThatStandsAlone(t *testing.T) {
	w := newLab()
	w.machines[0].ImageGone, w.machines[0].Newer = true, ""
	v := &w.volumes.Volumes[0]
	v.Image, v.Newer, v.Since, v.Digest, v.Snapshots = "", "", "", "", v.Snapshots[:0]
	lines(t, w, []struct{ args, want string }{
		{"machine list", `
MACHINE  MAC                                  IMAGE                 MODE        STAGE  LAST SEEN
pc01     52:54:00:00:00:01,52:54:00:00:00:11  debian:stable (gone)  persistent  -      never
kiosk    52:54:00:00:00:02                    debian:stable         ephemeral   -      never
builder  52:54:00:00:00:03                    debian:13 (update)    persistent  -      never
`},
		{"volume show pc01", `
volume         0f3a-1111-aaaa
machine        pc01
image          none: it stands alone
made for       debian:stable
mode           persistent
size           4 GiB
stored         5 MiB
own            3 MiB
private        5 MiB that nothing else has
limit          8 % of 10 GiB
write-through  on: each write is on the disk before the machine is told so
open           yes
traffic        190 MiB read, 6 MiB written since it was opened
created        2026-01-02 11:00:00 (60 min ago)
`},
		{"image tag debian:stable debian:13", `
debian:stable points to debian:13, before to debian:12
their next boots start from it: kiosk
they keep the disks that they have: pc01; switched off, ` + "`bootes volume reset pc01`" + ` takes it
back: bootes image tag debian:stable debian:12
`},
	})
}
