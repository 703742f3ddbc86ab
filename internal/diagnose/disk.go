package diagnose

import (
	"fmt"

	"bootes.dev/internal/recorder"
)

func diskFull(c Case) report {
	d := c.Disk
	var f facts
	f.add(true, "a write failed: %s", d.Full)
	f.add(d.Written > 0, "this boot has written %s", size(d.Written))
	r := report{evidence: f}
	if d.AtLimit {
		r.summary = fmt.Sprintf("its writes fail: volume %s is at its limit of %s", d.Volume, size(d.Limit))
		return r.and(cause("it has written all that it may", "bootes volume set %s --limit %s, then switch it off and on: Linux made its disk read-only. `bootes df` shows who has how much", d.Volume, size(max(2*d.Limit, 1<<30))))
	}
	r.summary = fmt.Sprintf("its writes fail, and those of all machines: the disk of this server is full under %s", d.Folder)
	if c.Script.Refusals > 0 {
		r.summary = fmt.Sprintf("no disk can be made for it: the disk of this server is full under %s", d.Folder)
	}
	return r.and(cause("the file system of the data folder has no more than its reserve left",
		"`bootes df` shows what takes the space; remove what is not needed (bootes volume rm, bootes image rm), or make the file system larger, then switch the machine off and on. df -h %s", d.Folder))
}

// damaged reports whether c's machine has read from an image that is known not to
// be as it was made.
func (c Case) damaged() bool { return c.Disk.Damaged != "" && c.Stage.After(recorder.StageLogin) }

// soundness says of an image that nothing changed it here.
func (d Disk) soundness() (f facts) {
	f.add(d.Sound, "the image %s was compared with its hashes: nothing has changed since it was made; a mistake that was in it then is not excluded", d.Image)
	return f
}

func imageCorrupt(c Case) report {
	d := c.Disk
	if d.Corrupt == "" {
		return c.imageDamaged()
	}
	var f facts
	f.add(true, "the error was: %s", d.Corrupt)
	r := report{
		summary:  fmt.Sprintf("what is stored of its disk is damaged: volume %s, image %s", d.Volume, d.Image),
		evidence: f,
	}
	r.causes = []recorder.Cause{
		cause("the image is damaged: every machine that boots it meets that", "bootes image verify %s; if it says so, import or build it anew under another tag, and move the machines there: bootes machine set %s --image NAME:TAG", d.Image, c.Subject),
		cause("the server's disk loses data", "journalctl -k | grep -i error; smartctl -a on its drive; restore from a backup (bootes volume restore)"),
	}
	if c.Past.Ephemeral {
		return r
	}
	return r.and(cause("the volume is damaged, and its image is not", "bootes volume reset %s throws away what the machine has written", d.Volume))
}

// imageDamaged is imageCorrupt where hashes have shown it, and no read has failed.
func (c Case) imageDamaged() report {
	d := c.Disk
	var f facts
	f.add(true, "the image %s was compared with its hashes: %s", d.Image, d.Damaged)
	f.add(true, "no read failed: blocks are given as they are stored, and compared only when all of an image is")
	r := report{
		summary:  fmt.Sprintf("the image %s is damaged on this server's disk, and this boot stopped after it had read from it", d.Image),
		evidence: append(f, c.ended()...),
	}
	text := fmt.Sprintf("it read what is damaged, as every machine does that boots %s", d.Image)
	image := cause(text, "boot another image: bootes machine set %s --image NAME:TAG; import or build %s anew under another tag; bootes image verify %s shows what is damaged", c.Subject, d.Image, d.Image)
	if c.Past.LastRan != "" && c.Past.LastRan != d.Image {
		image = c.backTo(c.Past.LastRan)
		image.Text = text + fmt.Sprintf("; %s ran on this one", c.Past.LastRan)
	}
	return r.and(image, cause("the server's disk, or its memory, loses data", "journalctl -k | grep -i error; smartctl -a on its drive; then bootes image verify of the other images (bootes image ls)"))
}

// size is a number of bytes as people say it.
func size(n int64) string {
	units := "KMGT"
	if n < 1024 {
		return fmt.Sprintf("%d bytes", n)
	}
	v, unit := float64(n), -1
	for v >= 1024 && unit < len(units)-1 {
		v, unit = v/1024, unit+1
	}
	if v == float64(int64(v)) {
		return fmt.Sprintf("%d%c", int64(v), units[unit])
	}
	return fmt.Sprintf("%.1f%c", v, units[unit])
}
