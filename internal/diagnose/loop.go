package diagnose

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"bootes.dev/internal/recorder"
)

// LoopStarts is how often a machine must have begun anew at the same point: once
// happens to everybody.
const LoopStarts = 3

// Loop is a machine that begins anew again and again, and its last boot.
type Loop struct {
	Starts int           // the present one among them; 0: it does not
	Within time.Duration // that they took
	Lasted time.Duration // the last one, until the present one began
	Quiet  time.Duration // of that: since its last READ; 0: not known
	System time.Duration // since its system opened the disk; 0: it had not
	Read   int64         // bytes
}

// circles is a crash loop as its equal boots show it.
func (c Case) circles() report {
	l, p := c.Loop, c.Past
	var f facts
	f.add(true, "the last boot began anew after %s, those before it within a tenth of that, and having read as much: %s", since(l.Lasted), size(l.Read))
	f.add(l.System > 0, "its system had opened the disk %s before", since(l.System))
	f.add(l.System == 0 && l.Read >= kernelRead, "it had read a kernel, by its size, and no system had opened the disk")
	f.add(l.System == 0 && l.Read < kernelRead, "it had read too little for a kernel")
	f.add(l.System == 0 && l.Quiet > 0, "its last read was %s before", since(l.Quiet))
	f.add(true, "its system did not log out, as it does when it is shut down")
	f = append(f, c.Disk.Contents.whenStopped()...)
	f.add(c.Disk.Image != "", "they booted %s", c.Disk.image())
	f.add(p.LastRan != "", "the last image that ran on it was %s, %s", p.LastRan, p.LastAt.Local().Format("2006-01-02 15:04"))
	f.add(p.Elsewhere > 0, "the same image runs on %s", others(p.Elsewhere))
	r := report{
		summary:  fmt.Sprintf("it is in a loop: it was started %d times within %s, and breaks off at the same point, %s", l.Starts, since(l.Within), l.point()),
		evidence: f,
	}
	return r.and(c.circleCauses()...)
}

// whenStopped is what the kernel does when it stops.
func (d Contents) whenStopped() (f facts) {
	restarts, known := d.restarts()
	f.add(restarts, "its kernel is told to restart the machine when it stops (panic= on its command line)")
	f.add(known && !restarts, "its kernel is not told to restart the machine when it stops (panic= on its command line)")
	return f
}

// restarts reports whether the kernel is told to restart the machine when it stops
// (Linux, Documentation/admin-guide/kernel-parameters.txt, panic=).
func (d Contents) restarts() (restarts, known bool) {
	for option := range strings.FieldsSeq(d.CommandLine) {
		if value, ok := strings.CutPrefix(option, "panic="); ok {
			restarts = value != "0"
		}
	}
	return restarts, d.CommandLine != ""
}

func (c Case) staysStopped() bool {
	restarts, known := c.Disk.Contents.restarts()
	return known && !restarts
}

// point is where the boots of a loop break off.
func (l Loop) point() string {
	switch {
	case l.System > 0:
		return since(l.System) + " after its system has opened the disk"
	case l.Read >= kernelRead:
		return "when its kernel starts"
	}
	return "in its boot loader"
}

func (c Case) circleCauses() []recorder.Cause {
	all := c.restartCauses()
	if c.Past.LastRan == "" {
		dead := cause(fmt.Sprintf("the image %s does not run on it", c.Disk.Image), "boot another image: bootes machine set %s --image NAME:TAG", c.Subject)
		all = slices.Insert(all, len(all)-1, dead)
	}
	return all
}

// restartCauses are why a machine begins anew by itself, and last that it does not.
func (c Case) restartCauses() (all []recorder.Cause) {
	const screen = "look at its screen, or at its serial console (console=ttyS0 on the kernel's command line)"
	panics := cause("its kernel stops, and restarts the machine (panic=)", screen+"; panic=0 there lets the message stay")
	watchdog := cause("a watchdog resets it, or its hardware does: power supply, memory, heat",
		"switch the watchdog off in its firmware's set-up, or its management board's, and read the events there; boot the same image on another machine: if it runs there, it is this one's hardware")
	if c.Past.LastRan != "" && c.Past.LastRan != c.Disk.Image {
		all = append(all, c.backTo(c.Past.LastRan))
	}
	restarts, _ := c.Disk.Contents.restarts()
	switch {
	case c.Loop.Starts > 0 && c.Loop.System == 0 && c.Loop.Read < kernelRead:
		all = append(all, watchdog)
	case c.Past.Elsewhere > 0, c.Past.LastRan == c.Disk.Image, c.staysStopped(), c.Past.Short > 0 && !restarts:
		all = append(all, watchdog, panics)
	default:
		all = append(all, panics, watchdog)
	}
	return append(all, cause("somebody restarts it", "then nothing is wrong"))
}
