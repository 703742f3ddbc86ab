package diagnose

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"bootes.dev/internal/recorder"
)

// found is a disk with these findings.
func found(all ...Finding) func(*Case) {
	return func(c *Case) { c.Disk.Contents = Contents{Seen: true, Findings: all} }
}

var (
	noKernel = Finding{Name: "kernel-missing", Stops: Load, Sure: true, Text: "the kernel p3:/vmlinuz, which line 12 of p3:/boot/grub/grub.cfg names, is not there", Remedy: "install the kernel again"}
	noDriver = Finding{Name: "no-driver", Stops: Reach, Sure: true, Text: "the initramfs /initrd.img lacks the driver of its network card 10ec:8168, r8169", Remedy: "MODULES=most"}
	noInit   = Finding{Name: "no-init", Stops: Run, Sure: true, Text: "the system's first program, p3:/sbin/init, is not there", Remedy: "install it again"}
	noSwap   = Finding{Name: FindingSwap, Stops: Run, Text: "line 3 of p3:/etc/fstab names UUID=2 for swap space, which is not on its disk", Remedy: "take the line out"}
	noHome   = Finding{Name: FindingMount, Stops: Run, Text: "line 2 of p3:/etc/fstab mounts UUID=1 on /home, which is not on its disk", Remedy: "take the line out, or give it the option nofail"}
)

func contentsCases() map[string]Case {
	const read, kernel = recorder.StageRead, recorder.StageKernel
	little := with(func(c *Case) { c.Disk.Read = 2 << 20 })
	own := noKernel
	own.Own = true
	return map[string]Case{
		"no-system-login_nokernel":    at(read, loaded, little, found(noKernel)),
		"no-system-login_nokernelown": at(read, loaded, little, found(own), with(func(c *Case) { c.Past.Snapshots = []string{"friday"} })),
		"no-system-login_nodriver":    at(read, loaded, found(noHome, noDriver), with(func(c *Case) { c.Past.Elsewhere = 1 })),
		"no-system-login_good": at(read, loaded, with(func(c *Case) {
			c.Disk.Contents = Contents{Seen: true, Loads: true, ISCSI: true, Driver: "r8169"}
		})),
		"no-system-login_32bitwhole": at(read, loaded, with(func(c *Case) {
			c.Firmware, c.Firmware.NoLongMode, c.Disk.Ready = bios, true, true
			c.Disk.Contents = Contents{Seen: true, Loads: true, ISCSI: true, Driver: "r8169"}
		})),
		"no-system-login_dead": at(read, loaded, with(func(c *Case) {
			c.Disk.Contents = Contents{Seen: true, Loads: true, ISCSI: true, Driver: "r8169"}
			c.Disk.Ready, c.Heard = true, Heard{Known: true}
		})),
		"no-system-login_deafport": at(read, loaded, with(func(c *Case) {
			c.Disk.Contents = Contents{Seen: true, Loads: true, ISCSI: true, Driver: "r8169"}
			c.Disk.Ready, c.Past.Elsewhere, c.Heard = true, 3, Heard{Known: true}
		})),
		"no-system-login_ran": at(read, loaded, with(func(c *Case) {
			c.Past.LastRan, c.Past.LastAt, c.Past.Snapshots = "debian:13", time.Date(2026, 1, 2, 3, 4, 0, 0, time.Local), []string{"friday"}
		})),
		"no-system-login_ranbios": at(read, loaded, little, with(func(c *Case) { c.Firmware, c.Past.Ephemeral, c.Past.LastRan = bios, true, "debian:13" })),
		"not-bootable_ran": at(read, loaded, little, with(func(c *Case) {
			c.Firmware, c.Disk.Layout = bios, Layout{Seen: true, Signature: true}
			c.Past.LastRan, c.Past.Snapshots = "debian:13", []string{"friday"}
		})),
		"no-system-login_xz":         at(read, loaded, with(func(c *Case) { c.Disk.Contents = Contents{Seen: true, Loads: true, Unread: "xz"} })),
		"no-system-login_goodloader": at(read, loaded, little, with(func(c *Case) { c.Disk.Contents = Contents{Seen: true, Loads: true} })),
		"no-system-login_cutgood":    at(read, loaded, found(noKernel), with(func(c *Case) { c.Disk.Unacknowledged = 65536 })),
		"system-gone_fstab":          at(kernel, up, found(noHome), with(func(c *Case) { c.System = System{Open: true} })),
		"system-gone_fstab-off":      at(kernel, up, found(noHome), deaf(Heard{Known: true})),
		"mount-missing":              at(recorder.StageRunning, up, found(noHome), with(func(c *Case) { c.Mounts = true })),
		"mount-missing_swap": at(recorder.StageRunning, up, found(noSwap), with(func(c *Case) {
			c.Mounts, c.Disk.Written = true, 1<<20
		})),
		"mount-missing_share":  at(recorder.StageRunning, up, sharing(nas(Silent)), with(func(c *Case) { c.Mounts = true })),
		"mount-missing_serves": at(recorder.StageRunning, up, sharing(nas(Refuses), Share{Line: "line 4 of p3:/etc/fstab", Spec: "//10.0.0.8/pool", At: "/pool", Server: netip.MustParseAddr("10.0.0.8"), Port: PortSMB, Answer: Silent}), with(func(c *Case) { c.Mounts = true })),
		"mount-missing_name":   at(recorder.StageRunning, up, sharing(box(Nameless)), with(func(c *Case) { c.Mounts = true })),
		"mount-missing_dns":    at(recorder.StageRunning, up, sharing(box(DNSSilent)), with(func(c *Case) { c.Mounts = true })),
		"system-gone_share":    at(kernel, up, sharing(nas(Silent), Share{Line: "line 4 of p3:/etc/fstab", Spec: "nas:/srv", At: "/srv", Waits: true}), with(func(c *Case) { c.System = System{Open: true} })),
		"system-gone_shared":   at(kernel, up, sharing(nas(Answers)), with(func(c *Case) { c.System = System{Open: true} })),
		"system-silent_init": at(recorder.StageRunning, up, mute(Heard{Known: true}), found(noHome, noInit), with(func(c *Case) {
			c.System.Lasted, c.Disk.Contents.CommandLine = 30*time.Second, "root=UUID=1 ro quiet"
		})),
		"system-silent_later": at(recorder.StageRunning, up, mute(Heard{Known: true}), found(noInit), with(func(c *Case) { c.System.Lasted = time.Hour })),
		"system-gone_barred":  at(recorder.StageRunning, up, found(noInit), with(func(c *Case) { c.Barred, c.Mounts, c.System, c.Disk.Written = true, true, System{Open: true}, 8<<10 })),
		"crash-loop_nodriver": at(read, loaded, found(noDriver), with(func(c *Case) {
			c.Past.Failed, c.Past.LastRan, c.Past.LastAt = 3, "debian:12", time.Date(2026, 1, 2, 3, 4, 0, 0, time.Local)
		})),
	}
}

// nas is a share of a computer that has given an answer.
func nas(a Answer) Share {
	return Share{Line: "line 3 of p3:/etc/fstab", Spec: "10.0.0.9:/home", At: "/home", Server: netip.MustParseAddr("10.0.0.9"), Port: PortNFS, Waits: true, Answer: a}
}

// box is a server that fstab has the name of.
func box(a Answer) Share {
	return Share{Line: "line 3 of p3:/etc/fstab", Spec: "box.example.org:/home", At: "/home", Host: "box.example.org", Told: netip.MustParseAddr("10.0.0.53"), Port: PortNFS, Answer: a}
}

// sharing is a disk whose /etc/fstab mounts folders of others.
func sharing(all ...Share) func(*Case) {
	return func(c *Case) {
		d := Contents{Seen: true, Shares: all}
		for _, s := range all {
			if f, wrong := s.Finding(); wrong {
				d.Findings = append(d.Findings, f)
			}
		}
		c.Disk.Contents = d
	}
}

// TestCertain: what is sure of a disk need not be waited for, unless its link may be cut.
func TestCertain(t *testing.T) {
	for name, c := range cases() {
		want := strings.HasPrefix(name, "not-bootable_") || name == "no-system-login_nokernel" || name == "no-system-login_nokernelown" ||
			name == "no-system-login_nodriver" || name == "crash-loop_nodriver" || name == "system-silent_init" || name == "system-gone_barred"
		if got := Certain(c); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestNotes: what nobody has looked at.
func TestNotes(t *testing.T) {
	got := Contents{Unread: "xz", Shares: []Share{nas(NotAsked)}}.Notes()
	want := []string{"the initramfs on its disk is compressed by xz, and was not looked into", "line 3 of p3:/etc/fstab mounts /home from 10.0.0.9:/home; not looked whether that is there"}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

// TestSureIsAlone: what proves a cause is the only one.
func TestSureIsAlone(t *testing.T) {
	d := Diagnose(contentsCases()["no-system-login_nokernel"])
	if len(d.Causes) != 1 || d.Causes[0].Text != noKernel.Text+"; it is so in the image debian:13" {
		t.Errorf("%+v", d.Causes)
	}
}
