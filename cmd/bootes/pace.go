package main

import (
	"os"
	"runtime"
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

// pace spares answers what delays them while whole rooms ask for addresses. Go
// collects garbage less often: each collection takes milliseconds, and one in a
// hundred exchanges met one when they came every second. And it has one processor
// more than the computer: of two, one was with the thread that waits for a lease's
// sync half of the time. It is nil where memory is scarce, or where GOGC in the
// environment has settled the matter; GOMAXPROCS there settles the other.
func pace(ram uint64) func(rush bool) {
	if ram < rushRAM || os.Getenv("GOGC") != "" {
		return nil
	}
	on, percent := false, calmGC
	return func(rush bool) {
		if rush != on {
			on = rush
			spareProcessor(on)
		}
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

func spareProcessor(on bool) {
	switch {
	case os.Getenv("GOMAXPROCS") != "":
	case on:
		runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + 1)
	default:
		runtime.SetDefaultGOMAXPROCS()
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
