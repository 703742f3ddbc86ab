package main

import (
	"os"
	"runtime/debug"
	"runtime/metrics"

	"golang.org/x/sys/unix"
)

const (
	calmGC = 100 // percent: Go's default
	rushGC = 400 // at least
	// rushRAM is what a computer must have, in bytes, for memory to be traded for
	// time.
	rushRAM = 1 << 30
	// rushShare of its memory may be garbage in a rush, and no more than rushMost
	// bytes: what 30,000 exchanges leave behind.
	rushShare = 32
	rushMost  = 512 << 20
)

// pace has Go collect garbage less often while whole rooms ask for addresses:
// each collection delays answers for milliseconds, and one in a hundred exchanges
// met one when they came every second. It is nil where memory is scarce, or where
// GOGC in the environment has settled the matter.
func pace(ram uint64) func(rush bool) {
	if ram < rushRAM || os.Getenv("GOGC") != "" {
		return nil
	}
	percent := calmGC
	return func(rush bool) {
		want := calmGC
		if rush {
			want = rushPercent(ram, live())
		}
		if want == percent {
			return
		}
		percent = want
		debug.SetGCPercent(percent)
		if !rush {
			debug.FreeOSMemory()
		}
	}
}

// rushPercent has a heap of live bytes grow by a share of the computer's memory.
// As what is live grows, it is to be asked again: percent of that are more bytes.
func rushPercent(ram, live uint64) int {
	return int(max(rushGC, 100*min(ram/rushShare, rushMost)/max(live, 1<<20)))
}

// live is what the last collection left of the heap, in bytes.
func live() uint64 {
	s := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

// memory is what this computer has, in bytes; 0: it does not say.
func memory() uint64 {
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) != nil {
		return 0
	}
	return uint64(info.Totalram) * uint64(info.Unit)
}
