package boot

import (
	"fmt"
	"testing"
	"time"

	"bootes.dev/internal/crowd"
	"bootes.dev/internal/recorder"
)

var ids int

func take(t *testing.T, as *attempts, subject string, s step, now time.Time) *attempt {
	t.Helper()
	a, err := as.take(subject, "m", s, now, func() (string, error) { ids++; return fmt.Sprint(ids), nil })
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestWhichStepBeginsABoot(t *testing.T) {
	for _, tt := range []struct {
		name string
		step step
		at   recorder.Stage
		new  bool
	}{
		{"ROM repeats itself, or PXEv6 follows PXEv4", romAsks, recorder.StageFirmware, false},
		{"ROM goes on to its next device after a loader that it refused", romAsks, recorder.StageLoader, false},
		{"ROM asks after iPXE had come: reset", romAsks, recorder.StageIPXE, true},
		{"ROM asks while the system runs: power-cycled", romAsks, recorder.StageRunning, true},
		{"iPXE after its loader was fetched", ipxeAsks, recorder.StageLoader, false},
		{"iPXE repeats itself", ipxeAsks, recorder.StageIPXE, false},
		{"iPXE in the ROM, power-cycled after the script", ipxeAsks, recorder.StageScript, true},
		{"iPXE in the ROM, power-cycled in the system", ipxeAsks, recorder.StageRunning, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			as := attempts{m: map[string]*attempt{}}
			now := time.Now()
			first := take(t, &as, "pc", romAsks, now)
			as.reach(first, tt.at)
			second := take(t, &as, "pc", tt.step, now.Add(time.Second))
			if got := second.id != first.id; got != tt.new {
				t.Errorf("new boot = %v, want %v", got, tt.new)
			}
		})
	}
}

func TestWhoMayHaveTheScript(t *testing.T) {
	as := attempts{m: map[string]*attempt{}}
	now := time.Now()
	if as.scripted("pc", now) != nil {
		t.Error("a machine that was never seen")
	}
	a := take(t, &as, "pc", romAsks, now)
	for at, want := range map[recorder.Stage]bool{
		recorder.StageFirmware: false, recorder.StageLoader: false, recorder.StageIPXE: true, recorder.StageScript: true,
		recorder.StageLogin: false, recorder.StageKernel: false, recorder.StageRunning: false,
	} {
		as.with(a, func() { a.stage = at })
		if got := as.scripted("pc", now) != nil; got != want {
			t.Errorf("at %s: %v, want %v", at, got, want)
		}
	}
	as.with(a, func() { a.stage = recorder.StageIPXE })
	if as.scripted("pc", now.Add(2*stale)) != nil {
		t.Error("a machine that asked long ago")
	}
}

func TestBootsCannotBeOpenedInAFlood(t *testing.T) {
	as := attempts{m: map[string]*attempt{}}
	now := time.Now()
	first := take(t, &as, "pc", ipxeAsks, now)
	as.reach(first, recorder.StageScript)
	if take(t, &as, "pc", ipxeAsks, now.Add(soonest/2)) != first {
		t.Error("a second boot within half a second")
	}
	if take(t, &as, "pc", ipxeAsks, now.Add(soonest)) == first {
		t.Error("no second boot after a second")
	}
}

func TestSilenceEndsAnAttempt(t *testing.T) {
	as := attempts{m: map[string]*attempt{}}
	now := time.Now()
	first := take(t, &as, "pc", romAsks, now)
	if take(t, &as, "pc", romAsks, now.Add(stale)) != first {
		t.Error("new boot before the attempt was stale")
	}
	if take(t, &as, "pc", romAsks, now.Add(2*stale+1)) == first {
		t.Error("a machine silent for so long was not taken for a new boot")
	}
}

func TestAttemptsAreBounded(t *testing.T) {
	as := attempts{m: map[string]*attempt{}}
	now := time.Now()
	take(t, &as, "pc", romAsks, now)
	for i := range crowd.Strangers + 100 {
		take(t, &as, fmt.Sprint("52:54:", i), romAsks, now.Add(time.Duration(i+1)))
	}
	if len(as.m) != crowd.Strangers+1 || as.strangers != crowd.Strangers || as.m["pc"] == nil {
		t.Errorf("%d attempts held, %d of strangers, want %d; the machine's: %v", len(as.m), as.strangers, crowd.Strangers, as.m["pc"])
	}
	for i := range crowd.Machines + 100 {
		take(t, &as, fmt.Sprint("pc", i), romAsks, now.Add(time.Duration(i)))
	}
	if len(as.m) != crowd.Strangers+crowd.Machines || as.strangers != crowd.Strangers {
		t.Errorf("%d attempts held, %d of strangers", len(as.m), as.strangers)
	}
}
