package diagnose

import (
	"fmt"
	"slices"

	"bootes.dev/internal/recorder"
)

const (
	// loaderRead is what boot loaders read at most before they load a kernel, and
	// kernelRead what a kernel has at least: GRUB of Debian 12 reads under 2 MiB,
	// its kernel has 8 MB, and with its initramfs some 40 MB.
	loaderRead = 4 << 20
	kernelRead = 8 << 20
	// unread is what iPXE leaves unacknowledged, at most, of what it was sent, when
	// a kernel or a halted loader no longer runs it: it acknowledges after the read
	// is done, so all that came at once before is left. 20 KiB have been seen, and
	// 32 of a read that was cut off.
	unread = 24 << 10
)

// atRead chooses among what happens between the first read and the system's own
// login.
func atRead(c Case) string {
	switch {
	case c.Login.Refusals > 0:
		return LoginRefused
	case c.Disk.Read < loaderRead && c.Disk.Layout.Lacks(c.Firmware) != "":
		return NotBootable
	case c.Past.Failed >= LoopBoots && c.Disk.Read >= loaderRead:
		return CrashLoop
	}
	return NoSystemLogin
}

// cut reports whether a machine stopped in the middle of a read.
func (c Case) cut() bool { return c.Disk.Unacknowledged > unread || c.System.Untaken }

func noSystemLogin(c Case) report {
	d, s := c.Disk, c.System
	var f facts
	if d.Read < kernelRead { // else its firmware has found all that it starts from
		f = c.startable()
	}
	f.add(d.Reads > 0, "iPXE read %s, in %s", size(d.Read), reads(d.Reads))
	f.add(s.Left && d.Read >= kernelRead, "iPXE closed its session: under UEFI that is when a kernel starts")
	f.add(s.Left && d.Read < kernelRead, "iPXE closed its session: what it had started came back to it")
	cut := c.cut()
	f.add(c.Loader.lossy(), "%s", c.wasLossy())
	f.add(c.Pace.Lossy(), "of %d packets to it by TCP %d were sent again: its link loses packets", c.Pace.Sent, c.Pace.Resent)
	f.add(s.Untaken, "a session of iPXE was ended, since it took nothing of what was sent to it")
	f.add(d.Unacknowledged > unread, "%s that it asked for are on their way, and it acknowledges nothing: it did not stop by itself", size(int64(d.Unacknowledged)))
	f.add(c.Firmware.NoLongMode, "its processor has no 64-bit mode, says iPXE")
	f.add(s.Asked, "the system asked for an address: it has a driver for the network card")
	f.add(!s.Asked && d.Read >= kernelRead, "no system has asked for an address by DHCP since")
	f.add(d.Read >= kernelRead && c.Heard.Known && !c.Heard.Anything, "nothing has come from its network card since")
	f = append(f, d.soundness()...)
	f.add(d.Ready && !d.Contents.Seen, "the image %s is made to find its disk by iSCSI", d.Image)
	f.add(c.Past.Elsewhere > 0, "the same image runs on %s", others(c.Past.Elsewhere))
	f.add(c.ran(), "the same image has run on this machine")
	r := report{evidence: f}
	if cut {
		r.summary = fmt.Sprintf("%s was read, and in the middle of a read nothing came from it any more, for %s", size(d.Read), since(c.Silent))
		return r.and(c.cutOff()...)
	}
	if d.Read < kernelRead && !s.Asked {
		r.summary = fmt.Sprintf("%s was read, too little for a kernel, then nothing for %s", size(d.Read), since(c.Silent))
		if s.Left {
			r.summary = fmt.Sprintf("%s was read, too little for a kernel, then iPXE gave the disk up", size(d.Read))
		}
		return r.and(c.loaderCauses()...).and(c.linkGone())
	}
	r.summary = fmt.Sprintf("%s was read, a kernel by its size, then nothing for %s: the system has not opened its disk", size(d.Read), since(c.Silent))
	r = r.and(c.systemCauses()...)
	if slices.Contains(r.causes, c.linkGone()) {
		return r
	}
	return r.and(c.linkGone())
}

// linkGone cannot be told from a machine that does nothing, unless much is on its
// way to it.
func (c Case) linkGone() recorder.Cause {
	return cause("its link is gone: the cable, the port of the switch, or a switch on the way", "look at the lights of both ends, and at the errors of that port; ping %s from here", c.address())
}

// cutOff is why a machine is gone while it waits for what it asked for.
func (c Case) cutOff() []recorder.Cause {
	if c.Loader.lossy() || c.Pace.Lossy() {
		return []recorder.Cause{c.badLink()}
	}
	gone := []recorder.Cause{c.linkGone(), cause("it was switched off or restarted meanwhile", "let it try again")}
	if c.large() {
		return gone
	}
	return append(gone, cause("large packets do not get through", "ping -M do -s 1472 %s from here; find the link whose MTU is smaller than that of %s", c.address(), c.Interface))
}

// large reports whether so much came through to the machine that full packets did.
func (c Case) large() bool { return c.Disk.Read-int64(c.Disk.Unacknowledged) >= 256<<10 }

// wasLossy is how it was seen.
func (c Case) wasLossy() string {
	return fmt.Sprintf("to send it %s took %s, with %d repeats: its link loses packets, or is far too slow", c.Loader.Name, since(c.Loader.Took), c.Loader.Resent)
}

func (c Case) badLink() recorder.Cause {
	return cause("its link loses packets, or is far too slow: it was so before it stopped",
		"another cable, another port of the switch; look at that port's errors, and at the speed that both ends have agreed on; ping -c 100 -i 0.2 -s 1400 %s from here counts what is lost", c.address())
}

// reads counts them.
func reads(n uint64) string {
	if n == 1 {
		return "1 read"
	}
	return fmt.Sprintf("%d reads", n)
}

// loaderCauses are why a boot loader stops.
func (c Case) loaderCauses() []recorder.Cause {
	menu := cause("the boot loader waits in its menu, at its prompt, or for a key", "look at the machine's screen")
	mtu := cause("large packets do not get through: what it asks for is lost on the way to it", "ping -M do -s 1472 %s from here; find the link whose MTU is smaller than that of %s", c.address(), c.Interface)
	broken := cause("the boot loader does not find its configuration or its kernel", "its screen says so; `bootes image ls`, then boot another: bootes machine set %s --image NAME:TAG", c.Subject)
	all := []recorder.Cause{menu, broken, mtu}
	switch {
	case c.System.Left:
		all = []recorder.Cause{broken, mtu}
	case c.Firmware.UEFI && c.Loader.Signed:
		all = []recorder.Cause{
			cause("Secure Boot is on, and refuses the image's own boot loader", "put a signed one into the image (Debian: shim-signed and grub-efi-amd64-signed), or switch Secure Boot off in the machine's firmware set-up"),
			menu, broken, mtu}
	case c.Disk.Read < 64<<10:
		all = []recorder.Cause{mtu, broken, menu}
	}
	all = slices.DeleteFunc(all, func(r recorder.Cause) bool { return c.Disk.Contents.Loads && r == broken || c.large() && r == mtu })
	if len(all) == 0 {
		return []recorder.Cause{menu}
	}
	return all
}

// systemCauses are why a kernel that was loaded does not open its disk.
func (c Case) systemCauses() []recorder.Cause {
	initramfs := cause("its initramfs does not look for the disk by iSCSI",
		"in the system that the image was made from: apt-get install open-iscsi; echo ISCSI_AUTO=true > /etc/iscsi/iscsi.initramfs; update-initramfs -u (dracut: --add iscsi, and rd.iscsi.firmware on the "+
			"kernel's command line); then import it anew. `bootes image build` does all that by itself")
	driver := cause("its initramfs has no driver for the network card of this machine",
		"see on its screen whether a network card is found; put the driver in (Debian: MODULES=most in /etc/initramfs-tools/initramfs.conf, and firmware-linux for cards that want firmware; update-initramfs -u)")
	card := cause("the system took another network card than the one it was started by", "unplug the others, or see on its screen which one has the address; without `ip=` on its command line it goes by the iBFT, which names the right one")
	tree := cause("spanning tree: the link goes down and up when the system takes the network card over, and the port of the switch then forwards nothing for 30 to 50 s, longer than the system waits for DHCP and its disk", "set the port to portfast (an edge port) on the switch; its screen then says that the link is up, and that no DHCP server answers")
	panicked := cause("the kernel stopped or restarted by itself", "look at its screen, or at its serial console (console=ttyS0 on the kernel's command line)")
	if c.Firmware.NoLongMode && !c.System.Asked {
		all := []recorder.Cause{cause(fmt.Sprintf("its processor is one of 32 bits, and the image %s is for 64 bits (x86-64, amd64), as nearly all are: such a kernel halts at once", c.Disk.Image),
			"its screen says \"This kernel requires an x86-64 CPU\" or the like; give it an image for 32 bits (Debian: i386): bootes machine set %s --image NAME:TAG", c.Subject)}
		if c.Disk.Contents.Driver == "" {
			all = append(all, driver)
		}
		return append(all, panicked)
	}
	var all []recorder.Cause
	d, ran := c.Disk.Contents, c.ran()
	if ran && !c.Past.Ephemeral && !(d.Loads && d.ISCSI) {
		all = append(all, c.written())
	}
	if (c.System.Asked || !c.Disk.Ready) && !d.ISCSI && !ran && c.Past.Elsewhere == 0 {
		all = append(all, initramfs)
	}
	if !c.System.Asked && d.Driver == "" && !ran {
		all = append(all, driver)
	}
	switch {
	case len(all) == 0 && c.onlyHere():
		return []recorder.Cause{tree, c.linkGone(), panicked, card}
	case len(all) == 0 && c.dead():
		all = []recorder.Cause{cause("its kernel has stopped, or it was switched off: its network card is dead", "%s; switch it on", panicked.Remedy), card}
	case len(all) == 0:
		all = []recorder.Cause{panicked, card}
	default:
		all = append(all, card, panicked)
	}
	if !c.System.Asked {
		all = append(all, tree)
	}
	return all
}

// ran reports whether the image has run on this machine.
func (c Case) ran() bool { return c.Past.LastRan != "" && c.Past.LastRan == c.Disk.Image }

// onlyHere reports whether all that a system needs is on its disk, others run it, and
// nothing comes from its network card: what is left is the way to it.
func (c Case) onlyHere() bool {
	d := c.Disk.Contents
	return !c.System.Asked && d.Loads && d.Driver != "" && c.Past.Elsewhere > 0 && c.dead()
}

// dead reports whether nothing comes from its network card, although it was asked.
func (c Case) dead() bool { return c.Heard.Known && !c.Heard.Anything && !c.Conflict.Alive }
