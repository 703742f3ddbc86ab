package diagnose

import (
	"fmt"
	"slices"
	"strings"

	"bootes.dev/internal/recorder"
)

// Step is what a machine does between its disk and a system that runs.
type Step int

// The steps, in their order.
const (
	Start Step = iota + 1 // the firmware starts a boot loader
	Load                  // the boot loader loads a kernel and its initramfs
	Reach                 // the kernel and its initramfs open the disk
	Run                   // the system runs from its root file system
)

// Contents is what was found in the file systems of a disk. The zero value is of
// one that was not looked into.
type Contents struct {
	Seen     bool
	Findings []Finding
	Loads    bool   // GRUB's configuration, its kernel and its initramfs are there, and whole
	ISCSI    bool   // that initramfs has iSCSI
	Driver   string // of the machine's network card, which it has, too; "" if that is not known
	Unread   string // by what its initramfs is compressed, if it was not looked into for that; "xz"
	Shares   []Share

	CommandLine string // of the kernel, as GRUB's configuration has it; "" if that is not known
}

// Names of findings that are more than text.
const (
	FindingMount = "fstab"      // a file system that /etc/fstab names
	FindingSwap  = "fstab-swap" // likewise a swap space
	FindingShare = "fstab-net"  // likewise a folder of another computer
)

// Finding is something that is wrong with what a disk holds.
type Finding struct {
	Name   string // a word for scripts and tests
	Stops  Step   // the step that fails by it
	Sure   bool   // no boot gets over it; else others may be the cause, too
	Text   string // what is wrong, in which file
	Remedy string // what to change on the disk
	Ends   bool   // the system ends by it, and waits for nobody
	Own    bool   // the disk's image does not have it: it came with what the machine wrote

	Elsewhere bool // it is not on the disk that something must be mended
}

// steps are those that may be the one that failed, where a kind is said.
func (c Case) steps(kind string) []Step {
	switch {
	case kind == NotBootable:
		return []Step{Start, Load}
	case kind == LoginRefused && c.Stage.After(recorder.StageLogin):
		return []Step{Reach}
	case kind == MountMissing:
		return []Step{Run}
	case kind == SystemSilent && c.System.Lasted < recorder.ShortRun:
		return []Step{Run}
	case kind == SystemGone, kind == CrashLoop && c.Stage.After(recorder.StageRead):
		return []Step{Run}
	case kind == NoSystemLogin, kind == CrashLoop:
		if c.Disk.Read < kernelRead && !c.System.Asked {
			return []Step{Start, Load}
		}
		return []Step{Load, Reach}
	}
	return nil
}

// fits reports whether a finding may be the cause. A system that waits for a person
// keeps its session, and answers.
func (c Case) fits(kind string, f Finding) bool {
	return slices.Contains(c.steps(kind), f.Stops) && (f.Sure || f.Ends || kind != SystemSilent && (kind != SystemGone || c.System.Open))
}

// looked adds to a report what was found on the disk: what is sure is the first
// cause, and the only one unless the link seems to be cut, which is no contradiction;
// what is not goes before what nothing speaks for. What alone is sure is the report's
// first sentence.
func (c Case) looked(kind string, r report) report {
	d := c.Disk.Contents
	r.evidence = append(r.evidence, d.facts()...)
	if slices.Contains(c.steps(kind), Run) {
		r.evidence = append(r.evidence, d.shares()...)
	}
	if s := c.steps(kind); d.CommandLine != "" && (slices.Contains(s, Reach) || slices.Contains(s, Run)) {
		r.evidence = append(r.evidence, "GRUB's configuration has for the kernel's command line: "+d.CommandLine)
	}
	if d.Unread != "" && slices.Contains(c.steps(kind), Reach) {
		r.evidence = append(r.evidence, d.unread())
	}
	var causes []recorder.Cause
	sure := false
	for _, f := range d.Findings {
		switch fits := c.fits(kind, f); {
		case fits && f.Sure && !sure:
			sure, causes = true, []recorder.Cause{c.causeOf(f)}
		case fits && f.Sure == sure:
			causes = append(causes, c.causeOf(f))
		case f.Elsewhere:
			r.evidence = append(r.evidence, f.Text)
		default:
			r.evidence = append(r.evidence, "on its disk, too: "+f.Text)
		}
	}
	if !sure || c.cut() {
		causes = append(causes, r.causes...)
	}
	r.causes = causes
	if sure && len(causes) == 1 {
		r.evidence = append([]string{r.summary}, r.evidence...)
		r.summary = causes[0].Text
	}
	return r
}

// Facts are what is as it should be.
func (d Contents) Facts() []string { return d.facts() }

func (d Contents) facts() (f facts) {
	whole := ", and whole"
	if d.Unread != "" {
		whole = ""
	}
	f.add(d.Loads, "GRUB's configuration, the kernel and the initramfs that it names are on its disk%s", whole)
	f.add(d.ISCSI, "the initramfs on its disk has iSCSI")
	f.add(d.Driver != "", "and the driver of its network card, %s", d.Driver)
	return f
}

// Notes are what was not looked at.
func (d Contents) Notes() (f []string) {
	if d.Unread != "" {
		f = append(f, d.unread())
	}
	for _, s := range d.Shares {
		f = append(f, s.Note())
	}
	return f
}

func (d Contents) unread() string {
	return fmt.Sprintf("the initramfs on its disk is compressed by %s, and was not looked into", d.Unread)
}

// Mounts reports whether a system that begins to run is to mount what it cannot have.
func (d Contents) Mounts() bool { return d.has(FindingMount, FindingSwap, FindingShare) }

// Bars reports whether a system cannot run, by what its disk lacks for certain.
func (d Contents) Bars() bool {
	return slices.ContainsFunc(d.Findings, func(f Finding) bool { return f.Sure && f.Stops == Run })
}

// mountMissing is a system that runs, as far as it comes.
func mountMissing(c Case) report {
	d := c.Disk.Contents
	r := report{summary: "its system runs, and waits 90 s for a swap space that its disk does not have, at each start"}
	switch {
	case d.has(FindingMount):
		r.summary = "its system is to mount a file system that its disk does not have: it waits 90 s for that, and then at its console for a person (emergency mode)"
	case d.has(FindingShare):
		r.summary = "its system is to mount a folder of another computer, and cannot: it runs without, after a wait of up to 90 s"
	}
	var f facts
	f.add(d.has(FindingMount, FindingSwap), "no file system on the disk has that UUID; whether the machine has a disk of its own that has it, nobody can tell from here")
	r.evidence = f
	return r
}

// causeOf is a finding as a cause, with the way to mend it.
func (c Case) causeOf(f Finding) recorder.Cause {
	d := c.Disk
	if f.Elsewhere {
		return recorder.Cause{Text: f.Text, Remedy: strings.ReplaceAll(f.Remedy, "MACHINE", c.Subject)}
	}
	if f.Own {
		return cause(f.Text+fmt.Sprintf("; it is not so in the image %s, so it came with what the machine has written", d.Image), "%s; or, in its system: %s", c.backFrom(), f.Remedy)
	}
	other := fmt.Sprintf("boot another image: bootes machine set %s --image NAME:TAG", c.Subject)
	if c.Past.LastRan != "" && c.Past.LastRan != d.Image {
		other = c.backTo(c.Past.LastRan).Remedy
	}
	text := f.Text
	if d.Image != "" {
		text += fmt.Sprintf("; it is so in the image %s", d.Image)
	}
	if c.Past.Elsewhere > 0 {
		return cause(text, "in the image %s, by `bootes image update %s --machine NAME` on a machine that it runs on: %s; meanwhile %s", d.Image, d.Image, f.Remedy, other)
	}
	return cause(text, "in the image %s (bootes image export %s disk.raw, mend the file, bootes image import NAME:TAG disk.raw): %s; meanwhile %s", d.Image, d.Image, f.Remedy, other)
}
