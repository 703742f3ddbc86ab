package diagnose

import (
	"fmt"

	"bootes.dev/internal/recorder"
)

const (
	// loaderRead is what boot loaders read at most before they load a kernel, and
	// kernelRead what a kernel has at least: GRUB of Debian 12 reads under 2 MiB,
	// its kernel has 8 MB, and with its initramfs some 40 MB.
	loaderRead = 4 << 20
	kernelRead = 8 << 20
	// unread is what iPXE leaves unacknowledged, at most, of what it was sent, when
	// a kernel or a halted loader no longer runs it: 10 KiB have been seen.
	unread = 16 << 10
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

func noSystemLogin(c Case) report {
	d, s := c.Disk, c.System
	var f facts
	if d.Read < kernelRead { // else its firmware has found all that it starts from
		f = d.Layout.facts()
	}
	f.add(d.Reads > 0, "%s was read by iPXE, in %d reads", size(d.Read), d.Reads)
	f.add(s.Left && d.Read >= kernelRead, "iPXE closed its session: under UEFI that is when a kernel starts")
	f.add(s.Left && d.Read < kernelRead, "iPXE closed its session: what it had started came back to it")
	cut := d.Unacknowledged > unread || s.Untaken
	f.add(c.Loader.lossy(), "to send it %s took %s, with %d repeats: its link loses packets, or is far too slow", c.Loader.Name, since(c.Loader.Took), c.Loader.Resent)
	f.add(s.Untaken, "a session of iPXE was ended, since it took nothing of what was sent to it")
	f.add(d.Unacknowledged > unread, "%s that it asked for are on their way, and it acknowledges nothing: it did not stop by itself", size(int64(d.Unacknowledged)))
	f.add(c.Firmware.NoLongMode, "its processor has no 64-bit mode, says iPXE")
	f.add(s.Asked, "the system asked for an address: it has a driver for the network card")
	f.add(!s.Asked && d.Read >= kernelRead, "no system has asked for an address by DHCP since")
	f = append(f, d.soundness()...)
	f.add(d.Ready, "the image %s is made to find its disk by iSCSI", d.Image)
	f.add(c.Past.Elsewhere > 0, "the same image runs on %s", others(c.Past.Elsewhere))
	f.add(c.Past.LastRan != "" && c.Past.LastRan == d.Image, "the same image has run on this machine")
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
	return r.and(c.systemCauses()...).and(c.linkGone())
}

// linkGone cannot be told from a machine that does nothing, unless much is on its
// way to it.
func (c Case) linkGone() recorder.Cause {
	return cause("its link is gone: the cable, the port of the switch, or a switch on the way", "look at the lights of both ends, and at the errors of that port; ping %s from here", c.address())
}

// cutOff is why a machine is gone while it waits for what it asked for.
func (c Case) cutOff() []recorder.Cause {
	if c.Loader.lossy() {
		return []recorder.Cause{cause("its link loses packets, or is far too slow: it was so from the loader on",
			"another cable, another port of the switch; look at that port's errors, and at the speed that both ends have agreed on; ping -c 100 -i 0.2 -s 1400 %s from here counts what is lost", c.address())}
	}
	return []recorder.Cause{
		c.linkGone(),
		cause("it was switched off or restarted meanwhile", "let it try again"),
		cause("large packets do not get through", "ping -M do -s 1472 %s from here; find the link whose MTU is smaller than that of %s", c.address(), c.Interface),
	}
}

// loaderCauses are why a boot loader stops.
func (c Case) loaderCauses() []recorder.Cause {
	menu := cause("the boot loader waits in its menu, at its prompt, or for a key", "look at the machine's screen")
	mtu := cause("large packets do not get through: what it asks for is lost on the way to it", "ping -M do -s 1472 %s from here; find the link whose MTU is smaller than that of %s", c.address(), c.Interface)
	broken := cause("the boot loader does not find its configuration or its kernel", "its screen says so; `bootes image ls`, then boot another: bootes machine set %s --image NAME:TAG", c.Subject)
	switch {
	case c.System.Left:
		return []recorder.Cause{broken, mtu}
	case c.Firmware.UEFI && c.Loader.Signed:
		return []recorder.Cause{
			cause("Secure Boot is on, and refuses the image's own boot loader", "put a signed one into the image (Debian: shim-signed and grub-efi-amd64-signed), or switch Secure Boot off in the machine's firmware set-up"),
			menu, broken, mtu}
	case c.Disk.Read < 64<<10:
		return []recorder.Cause{mtu, broken, menu}
	}
	return []recorder.Cause{menu, broken, mtu}
}

// systemCauses are why a kernel that was loaded does not open its disk.
func (c Case) systemCauses() []recorder.Cause {
	initramfs := cause("its initramfs does not look for the disk by iSCSI",
		"in the image: apt-get install open-iscsi; echo ISCSI_AUTO=true > /etc/iscsi/iscsi.initramfs; update-initramfs -u (dracut: --add iscsi, and rd.iscsi.firmware on the kernel's command line). "+
			"`bootes image update %s --machine %s` is for that; `bootes image build` does it by itself", c.Disk.Image, c.Subject)
	driver := cause("its initramfs has no driver for the network card of this machine",
		"see on its screen whether a network card is found; put the driver in (Debian: MODULES=most in /etc/initramfs-tools/initramfs.conf, and firmware-linux for cards that want firmware; update-initramfs -u)")
	card := cause("the system took another network card than the one it was started by", "unplug the others, or see on its screen which one has the address; without `ip=` on its command line it goes by the iBFT, which names the right one")
	panicked := cause("the kernel stopped or restarted by itself", "look at its screen, or at its serial console (console=ttyS0 on the kernel's command line)")
	switch {
	case c.Firmware.NoLongMode && !c.System.Asked:
		return []recorder.Cause{
			cause(fmt.Sprintf("its processor is one of 32 bits, and the image %s is for 64 bits (x86-64, amd64), as nearly all are: such a kernel halts at once", c.Disk.Image),
				"its screen says \"This kernel requires an x86-64 CPU\" or the like; give it an image for 32 bits (Debian: i386): bootes machine set %s --image NAME:TAG", c.Subject),
			driver, panicked}
	case c.System.Asked:
		return []recorder.Cause{initramfs, card, panicked}
	case c.Disk.Ready:
		return []recorder.Cause{driver, card, panicked}
	}
	return []recorder.Cause{initramfs, driver, card, panicked}
}
