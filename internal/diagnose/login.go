package diagnose

import (
	"fmt"

	"bootes.dev/internal/recorder"
)

// atLogin chooses among what happens between iPXE's login and its first read.
func atLogin(c Case) string {
	switch {
	case c.Login.Refusals > 0:
		return LoginRefused
	case c.Disk.Layout.Lacks(c.Firmware) != "":
		return NotBootable
	}
	return NoRead
}

func notBootable(c Case) report {
	d := c.Disk
	lack := d.Layout.Lacks(c.Firmware)
	f := d.Layout.facts()
	f.add(c.Firmware.Name != "", "its firmware is %s", c.Firmware.Name)
	f.add(true, "iPXE opened the disk and read %s of it", size(d.Read))
	r := report{
		summary:  fmt.Sprintf("%s cannot start its disk: %s", c.firmware(), lack),
		evidence: f,
	}
	image := cause(fmt.Sprintf("the image %s is not one to boot from by this firmware", d.Image),
		"boot another: bootes machine set %s --image NAME:TAG; `bootes image build` makes images for BIOS and UEFI", c.Subject)
	other := false // firmware, for which it was made
	switch {
	case d.Layout.Blank:
		image.Text = fmt.Sprintf("nothing was ever written to the image %s, or not to its beginning", d.Image)
	case c.Firmware.UEFI && d.Layout.Signature && d.Layout.Code:
		other = true
		image.Text = fmt.Sprintf("the image %s is for BIOS, and this machine starts by UEFI", d.Image)
		image.Remedy += "; or let the machine start by BIOS (CSM, legacy) in its firmware set-up"
	case !c.Firmware.UEFI && d.Layout.ESP:
		other = true
		image.Text = fmt.Sprintf("the image %s is for UEFI, and this machine starts by BIOS", d.Image)
		image.Remedy += "; or let the machine start by UEFI in its firmware set-up"
	}
	if c.Past.Ephemeral {
		return r.and(image)
	}
	destroyed := cause("what the machine has written destroyed it", "switch it off, then %s", c.backFrom())
	if !c.ran() || other {
		return r.and(image, destroyed)
	}
	destroyed.Text += ": the same image has run on it"
	return r.and(destroyed)
}

func noRead(c Case) report {
	f := c.startable()
	f.add(true, "iPXE opened the disk, and asked for no block of it")
	f.add(c.Loader.lossy(), "%s", c.wasLossy())
	var link []recorder.Cause
	if c.Loader.lossy() {
		link = append(link, c.badLink())
	}
	return report{
		summary:  fmt.Sprintf("iPXE opened the disk, and for %s has read nothing", since(c.Silent)),
		evidence: f,
		causes: append(link,
			cause("it was switched off or restarted just then", "let it try again"),
			cause("large packets do not get through: its questions are small, and the answers are not", "ping -M do -s 1472 %s from here; find the link whose MTU is smaller than that of %s", c.address(), c.Interface),
			cause("its firmware does not take the disk from iPXE", "try another build: `bootes machine set %s --loader FILE`, FILE from `bootes loaders`; its screen says what iPXE met", c.Subject)),
	}
}
