package diagnose

import (
	"fmt"
	"slices"

	"bootes.dev/internal/recorder"
)

// LoopBoots is how many boots in a row must have failed alike: two happen when
// somebody is impatient.
const LoopBoots = 3

// atKernel chooses among what happens once the system has opened its disk.
func atKernel(c Case) string {
	if c.Past.Failed >= LoopBoots && !c.alive() {
		return CrashLoop
	}
	return SystemGone
}

func (c Case) ended() (f facts) {
	s, d := c.System, c.Disk
	f.add(s.Open, "its session is open, and answers")
	f.add(!s.Open && s.Ended != "" && s.Lasted > 0, "the operating system opened the disk, and was gone %s later: %s", since(s.Lasted), s.Ended)
	f.add(!s.Open && s.Ended != "" && s.Lasted == 0, "the operating system's session ended: %s", s.Ended)
	f.add(d.Read > 0, "this boot has read %s and written %s", size(d.Read), size(d.Written))
	return append(f, d.soundness()...)
}

func systemGone(c Case) report {
	s := c.System
	r := report{evidence: c.ended()}
	if c.Barred {
		r.summary = "the operating system opened the disk and has written to it, and cannot come to run"
		return r
	}
	if s.Open {
		r.summary = fmt.Sprintf("the operating system opened the disk, has written nothing, and for %s does nothing", since(c.Silent))
		return r.and(
			cause("it waits for a person: an emergency shell (Debian's initramfs has one if root= on the kernel's command line is no file system that there is), a check of its file system, a passphrase", "look at its screen, or at its serial console (console=ttyS0 on the kernel's command line)"),
			cause("its root file system is read-only on purpose", "then nothing is wrong"))
	}
	r.evidence = append(r.evidence, c.heard()...)
	r.summary = fmt.Sprintf("the operating system opened the disk and is gone: for %s it has not come back", since(c.Silent))
	if c.alive() {
		r.summary = fmt.Sprintf("the operating system lives and has lost its disk: for %s it has not answered", since(c.Silent))
	}
	return r.and(c.goneCauses()...)
}

func interrupted(c Case) report {
	r := report{
		summary:  fmt.Sprintf("this server was restarted while it booted, and for %s it has not come back", since(c.Silent)),
		evidence: []string{fmt.Sprintf("it had come as far as %s; what was seen before is on its timeline", c.Stage)},
	}
	if c.Away > 0 {
		r.evidence = append(r.evidence, fmt.Sprintf("%s after the last that is on record of it, this server was started again", since(c.Away)))
	}
	if c.Stage.After(recorder.StageRead) {
		return r.and(
			cause("its system does not connect its disk again", "in the image: systemctl enable iscsid, so that it takes the root session over (`bootes image build` does that); then switch it off and on"),
			cause("it was switched off meanwhile", "switch it on"))
	}
	return r.and(cause("boot loaders do not outlive an outage of their server", "switch it off and on"))
}

func crashLoop(c Case) report {
	if c.Loop.Starts > 0 {
		return c.circles()
	}
	p := c.Past
	var f facts
	f.add(true, "they booted %s", c.Disk.image())
	f.add(p.LastRan != "", "the last image that ran on it was %s, %s", p.LastRan, p.LastAt.Local().Format("2006-01-02 15:04"))
	f.add(p.LastRan == "", "no boot of this machine has run before, as far as is on record")
	f.add(p.Elsewhere > 0, "the same image runs on %s", others(p.Elsewhere))
	if c.Begins && p.Short > 0 {
		f.add(true, "the last ran for %s, and then the machine began anew", since(p.Ran))
		f.add(p.LoggedOut, "its system had logged out, as it does when it is shut down")
		f.add(!p.LoggedOut, "its system had not logged out, as it does when it is shut down")
		f = append(f, c.Disk.Contents.whenStopped()...)
	}
	long := ""
	if p.Short > 0 {
		long = " for longer than " + since(recorder.ShortRun)
	}
	r := report{
		summary:  fmt.Sprintf("it is in a loop: %d boots in a row came as far as %s and never ran%s", p.Failed, c.Stage, long),
		evidence: append(f, c.ended()...),
	}
	return r.and(c.loopCauses()...)
}

func (d Disk) image() string {
	if d.Ref != "" && d.Ref != d.Image {
		return fmt.Sprintf("%s, which is %s", d.Ref, d.Image)
	}
	return d.Image
}

func (c Case) loopCauses() (all []recorder.Cause) {
	p, d := c.Past, c.Disk
	switch {
	case c.Begins && p.Short > 0 && p.LoggedOut:
		return append(all, cause("its system restarts itself, or somebody does: a timer, an update, a script", "look into its journal; bootes machine set %s --persistent keeps it over a restart", c.Subject))
	case c.Begins && p.Short > 0:
		return c.restartCauses()
	case p.LastRan != "" && p.LastRan != d.Image:
		all = append(all, c.backTo(p.LastRan))
	case !p.Ephemeral && p.LastRan == d.Image:
		all = append(all, c.written())
	case p.LastRan == "" && p.Elsewhere > 0 && c.Stage == recorder.StageRead: // the causes below say what
	case p.LastRan == "" && p.Elsewhere > 0:
		all = append(all, cause("the image lacks what this machine needs: a driver, or firmware", "look at its screen; boot another image: bootes machine set %s --image NAME:TAG", c.Subject))
	case p.LastRan == "":
		all = append(all, cause(fmt.Sprintf("the image %s does not run", d.Image), "look at its screen; boot another image: bootes machine set %s --image NAME:TAG", c.Subject))
	}
	if c.Stage == recorder.StageRead {
		return append(all, slices.DeleteFunc(c.systemCauses(), func(x recorder.Cause) bool { return slices.Contains(all, x) })...)
	}
	return append(all, slices.DeleteFunc(c.goneCauses(), func(x recorder.Cause) bool { return x.Remedy == "switch it on" })...)
}

// backTo is the way back to an image that ran.
func (c Case) backTo(image string) recorder.Cause {
	text := fmt.Sprintf("the image %s does not run on it, and %s did", c.Disk.Image, image)
	if c.Past.Tag {
		return cause(text, "bootes image tag %s %s takes all machines of %s back; bootes machine set %s --image %s this one alone; then switch it off and on",
			c.Disk.Ref, image, c.Disk.Ref, c.Subject, image)
	}
	return cause(text, "bootes machine set %s --image %s, then switch it off and on", c.Subject, image)
}

// written is the way back from what a persistent machine did to its own disk.
func (c Case) written() recorder.Cause {
	return recorder.Cause{Text: "what it has written to its disk since does not run: the same image has run on it", Remedy: "switch it off, then " + c.backFrom()}
}

// backFrom are the commands that undo what a machine has written.
func (c Case) backFrom() string {
	reset := fmt.Sprintf("bootes volume reset %s throws away all that it has written", c.Disk.Volume)
	if len(c.Past.Snapshots) > 0 {
		return fmt.Sprintf("bootes volume rollback %s %s; or %s", c.Disk.Volume, c.Past.Snapshots[0], reset)
	}
	return reset
}
