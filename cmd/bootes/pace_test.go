package main

import (
	"runtime/debug"
	"testing"
)

func TestPace(t *testing.T) {
	t.Setenv("GOGC", "50")
	if pace(rushRAM) != nil {
		t.Error("GOGC in the environment is not heeded")
	}
	t.Setenv("GOGC", "")
	if pace(rushRAM-1) != nil {
		t.Error("memory is traded where there is little")
	}
	if memory() == 0 {
		t.Error("this computer has no memory")
	}
	before := debug.SetGCPercent(calmGC)
	defer debug.SetGCPercent(before)
	for _, step := range []struct {
		rush bool
		want int
	}{{true, rushGC}, {false, calmGC}} {
		pace(rushRAM)(step.rush)
		if got := debug.SetGCPercent(step.want); got != step.want {
			t.Errorf("rush %t: collects at %d %%, want %d", step.rush, got, step.want)
		}
	}
}
