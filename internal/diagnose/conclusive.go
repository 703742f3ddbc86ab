package diagnose

import (
	"slices"
	"strings"
	"time"

	"bootes.dev/internal/recorder"
)

// Conclusive reports whether what was seen explains a stop by itself: it need not
// be waited for. Machines that fail soon restart before anybody would have called
// them silent.
func Conclusive(c Case) bool {
	switch kindOf(c) {
	case UnknownMachine:
		return !c.Script.Waiting
	case NoLoader, PoolExhausted:
		return true
	case LoaderLoop:
		return c.Loader.Chained.Times > 0
	case ScriptRefused:
		return c.Script.Final
	case DiskFull:
		return c.Script.Refusals > 0
	case LoginRefused:
		return c.Login.Open != "" || !strings.Contains(c.Login.Refused, newerBoot)
	case ImageCorrupt:
		return c.Login.Open != ""
	case NotBootable:
		return c.System.Left
	case NoSystemLogin:
		return c.System.GaveUp && c.Disk.Read < loaderRead
	case SystemGone, CrashLoop:
		return c.System.Deaf && (c.System.Lasted < recorder.ShortRun || c.alive())
	}
	return false
}

// Certain reports whether the disk of a machine that has been quiet for a moment
// explains that: it would not go on, however long it is waited for. What was sent to
// it and has not arrived may be another reason.
func Certain(c Case) bool {
	kind := kindOf(c)
	if c.cut() {
		return false
	}
	return kind == NotBootable || slices.ContainsFunc(c.Disk.Contents.Findings, func(f Finding) bool { return f.Sure && c.fits(kind, f) })
}

// still is the silence after which a machine at its loader does not go on: what
// it does there takes fractions of a second.
const still = 10 * time.Second

// newerBoot is in the refusals of a machine that has been restarted: its older
// boot's system tries for as long as it lives.
const newerBoot = "a newer one has begun"

// Telling reports whether a boot that was replaced by another one tells why,
// although nobody can say whether it would have gone on: it had stood still, or
// its iPXE had given its disk up. All others may have been switched off by a person.
func Telling(c Case) bool {
	if c.damaged() {
		return true
	}
	switch c.Stage {
	case recorder.StageIPXE, recorder.StageScript:
		return c.Silent >= still
	case recorder.StageLogin:
		return c.System.Left || c.Login.Refusals > 0 || c.Silent >= still
	case recorder.StageRead:
		// A system that was reset a moment after it was heard says nothing by that.
		return c.System.Left && (!c.System.Asked || c.Silent >= still) || c.Login.Refusals > 0
	}
	return false
}
