package main

import (
	"runtime"
	"runtime/debug"
	"testing"
)

func TestPace(t *testing.T) {
	t.Setenv("GOGC", "50")
	if pace(rushRAM) != nil {
		t.Error("GOGC in the environment is not heeded")
	}
	t.Setenv("GOGC", "")
	t.Setenv("GOMAXPROCS", "")
	if pace(rushRAM-1) != nil {
		t.Error("memory is traded where there is little")
	}
	if memory() == 0 {
		t.Error("this computer has no memory")
	}
	runtime.SetDefaultGOMAXPROCS()
	procs := runtime.GOMAXPROCS(0)
	before := debug.SetGCPercent(calmGC)
	defer debug.SetGCPercent(before)
	tell := pace(rushRAM)
	tell(true)
	if got := percent(); got < rushGC {
		t.Errorf("a rush: collects at %d %%, want %d or more", got, rushGC)
	}
	if got := runtime.GOMAXPROCS(0); got != procs+1 {
		t.Errorf("a rush: %d processors, want one more than %d", got, procs)
	}
	much := make([]byte, 32<<20) // more than the share of such a computer
	runtime.GC()
	tell(true)
	if got := percent(); got != rushGC {
		t.Errorf("a rush that has filled the heap: collects at %d %%, want %d", got, rushGC)
	}
	runtime.KeepAlive(much)
	tell(false)
	if got := debug.SetGCPercent(before); got != calmGC {
		t.Errorf("no rush: collects at %d %%, want %d", got, calmGC)
	}
	if got := runtime.GOMAXPROCS(0); got != procs {
		t.Errorf("no rush: %d processors, want %d", got, procs)
	}
	t.Setenv("GOMAXPROCS", "1")
	spareProcessor(true)
	if got := runtime.GOMAXPROCS(0); got != procs {
		t.Errorf("GOMAXPROCS in the environment is not heeded: %d", got)
	}
}

// percent is how much garbage may be left.
func percent() int {
	now := debug.SetGCPercent(calmGC)
	debug.SetGCPercent(now)
	return now
}

func TestRushPercent(t *testing.T) {
	const mib, gib = 1 << 20, 1 << 30
	for _, c := range []struct {
		name      string
		ram, live uint64
		want      int
	}{
		{"a share of 32 MiB, beside 4 MiB", gib, 4 * mib, 800},
		{"a share smaller than the heap", gib, 100 * mib, rushGC},
		{"as much as may be", 64 * gib, 16 * mib, 3200},
		{"nothing collected yet", gib, 0, 3200},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := rushPercent(c.ram, c.live); got != c.want {
				t.Errorf("%d %%, want %d", got, c.want)
			}
		})
	}
}
