// Package diagnose says why a boot stopped: from what the servers saw of it
// (Case) to the likely causes, each with what to do about it.
//
// It is pure: no clock, no network, no state. Package boot collects the case
// while a machine boots, and asks when the machine has been silent for longer
// than its stage may take (Patience).
//
// # Rules
//
// Evidence comes first. A cause is named first only if what was seen speaks for
// it; where it cannot tell two causes apart, both are named, and the remedy says
// how a person tells them apart. What was not seen is never said to be.
package diagnose

import (
	"slices"

	"bootes.dev/internal/recorder"
)

// Diagnose says why the boot of c has stopped.
func Diagnose(c Case) recorder.Diagnosis {
	name := kindOf(c)
	for _, k := range Kinds {
		if k.Name == name {
			r := c.looked(name, k.say(c))
			switch {
			case c.Twin != "" && slices.Contains(fought, name):
				name, r = MACConflict, c.hasTwin(r)
			case c.Conflict.any() && slices.Contains(astray, name):
				name, r = AddressConflict, c.inConflict(r)
			}
			if c.Conflict.Alive && len(r.causes) > 1 {
				r.causes = slices.DeleteFunc(r.causes, func(x recorder.Cause) bool { return x == c.linkGone() })
			}
			return recorder.Diagnosis{Kind: name, Summary: r.summary, Evidence: append(r.evidence, c.common()...), Causes: r.causes}
		}
	}
	panic("diagnose: no kind " + name)
}

// kindOf chooses the kind: what the disk has shown explains more than the stage.
func kindOf(c Case) string {
	switch {
	case c.Disk.Corrupt != "":
		return ImageCorrupt
	case c.Disk.Full != "":
		return DiskFull
	case c.damaged():
		return ImageCorrupt
	case c.Begins:
		return CrashLoop
	case c.Reopened > 0:
		return ConnectionLost
	case !c.System.Silent.IsZero():
		return SystemSilent
	case c.Goes:
		return Slow
	case c.Barred:
		return SystemGone
	case c.Mounts:
		return MountMissing
	case c.Restarted:
		return Interrupted
	}
	if of := byStage[c.Stage]; of != nil {
		return of(c)
	}
	return atFirmware(c)
}

var byStage = map[recorder.Stage]func(Case) string{
	recorder.StageFirmware: atFirmware,
	recorder.StageLoader:   atLoader,
	recorder.StageIPXE:     atIPXE,
	recorder.StageScript:   atScript,
	recorder.StageLogin:    atLogin,
	recorder.StageRead:     atRead,
	recorder.StageKernel:   atKernel,
	recorder.StageRunning:  atKernel,
}

// report is what a kind has to say.
type report struct {
	summary  string
	evidence []string
	causes   []recorder.Cause
}

// Sentence is a diagnosis in one line: the likeliest cause, and what to do.
func Sentence(d recorder.Diagnosis) string {
	text := d.Summary
	switch {
	case len(d.Causes) == 0:
		return text
	case d.Certain():
		return text + ". Remedy: " + d.Causes[0].Remedy
	}
	likely := "likely"
	if len(d.Causes) > 1 {
		likely = "most likely"
	}
	return text + "; " + likely + " " + d.Causes[0].Text + ". Remedy: " + d.Causes[0].Remedy
}
