package main

import (
	"os"
	"runtime/debug"

	"golang.org/x/sys/unix"
)

const (
	calmGC = 100 // percent: Go's default
	rushGC = 400
	// rushRAM is what a computer must have, in bytes, for memory to be traded for
	// time: a rush of 12,000 leases took 142 MiB instead of 86.
	rushRAM = 1 << 30
)

// pace has Go collect garbage less often while whole rooms ask for addresses:
// each collection delays answers for milliseconds. It is nil where memory is
// scarce, or where GOGC in the environment has settled the matter.
func pace(ram uint64) func(rush bool) {
	if ram < rushRAM || os.Getenv("GOGC") != "" {
		return nil
	}
	return func(rush bool) {
		if rush {
			debug.SetGCPercent(rushGC)
			return
		}
		debug.SetGCPercent(calmGC)
		debug.FreeOSMemory()
	}
}

// memory is what this computer has, in bytes; 0: it does not say.
func memory() uint64 {
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) != nil {
		return 0
	}
	return uint64(info.Totalram) * uint64(info.Unit)
}
