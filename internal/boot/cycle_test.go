package boot

import (
	"strings"
	"testing"
	"time"

	"bootes.dev/internal/diagnose"
	"bootes.dev/internal/loaders"
	"bootes.dev/internal/recorder"
)

func TestLoop(t *testing.T) {
	const s = time.Second
	now := time.Unix(1000, 0)
	read := func(lasted time.Duration, bytes int64) cycle {
		return cycle{stage: recorder.StageRead, lasted: lasted, read: bytes}
	}
	at := func(c cycle, st recorder.Stage) cycle { c.stage = st; return c }
	since := func(lasted, system time.Duration) cycle {
		return cycle{stage: recorder.StageRunning, lasted: lasted, system: system, read: 76 << 20}
	}
	explained := read(40*s, 22<<20)
	explained.explained = true
	for name, tt := range map[string]struct {
		cycles []cycle
		starts int
	}{
		"none":                  {nil, 0},
		"one":                   {[]cycle{read(40*s, 22<<20)}, 2},
		"a watchdog":            {[]cycle{read(40*s, 22<<20), read(43*s, 22<<20)}, 3},
		"after something else":  {[]cycle{read(400*s, 22<<20), read(40*s, 22<<20), read(41*s, 22<<20), read(42*s, 22<<20)}, 4},
		"in its system":         {[]cycle{at(read(60*s, 80<<20), recorder.StageKernel), at(read(64*s, 83<<20), recorder.StageRunning)}, 3},
		"slow loaders":          {[]cycle{since(97*s, 64*s), since(85*s, 59*s)}, 3},
		"slow systems":          {[]cycle{since(97*s, 64*s), since(85*s, 50*s)}, 2},
		"an impatient person":   {[]cycle{read(40*s, 22<<20), read(70*s, 22<<20)}, 2},
		"one who has read more": {[]cycle{read(40*s, 12<<20), read(41*s, 22<<20)}, 2},
		"elsewhere":             {[]cycle{read(40*s, 22<<20), at(read(40*s, 22<<20), recorder.StageKernel)}, 2},
		"after its script":      {[]cycle{at(read(40*s, 0), recorder.StageScript), at(read(40*s, 0), recorder.StageScript)}, 0},
		"each day":              {[]cycle{read(24*time.Hour, 22<<20), read(24*time.Hour, 22<<20)}, 0},
		"for a known reason":    {[]cycle{explained, explained}, 0},
	} {
		for i := range tt.cycles {
			tt.cycles[i].began = now.Add(-time.Duration(len(tt.cycles)-i) * time.Minute)
		}
		l := loop(tt.cycles, now)
		if want := time.Duration(tt.starts-1) * time.Minute; l.Starts != tt.starts || tt.starts > 0 && l.Within != want {
			t.Errorf("%s: %d starts in %s, want %d", name, l.Starts, l.Within, tt.starts)
		}
	}
}

// TestCircles: a computer that is reset at the same point is told of at its third
// start; one that somebody restarts twice is not.
func TestCircles(t *testing.T) {
	for name, tt := range map[string]struct {
		lasts [2]time.Duration
		read  int64
		left  bool // iPXE closes its session
		told  bool
	}{
		"a watchdog":          {[2]time.Duration{40 * time.Second, 42 * time.Second}, 22 << 20, false, true},
		"a watchdog, by UEFI": {[2]time.Duration{40 * time.Second, 42 * time.Second}, 22 << 20, true, true},
		"a person":            {[2]time.Duration{40 * time.Second, 75 * time.Second}, 22 << 20, false, false},
		"nothing to start":    {[2]time.Duration{40 * time.Second, 42 * time.Second}, 117 << 10, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			h.Patience = func(recorder.Stage, recorder.Usual) time.Duration { return time.Hour }
			h.Moved = func(string) Moved { return Moved{Reads: 900, Read: tt.read} }
			h.Pace = func(string) diagnose.Pace { return diagnose.Pace{Quiet: 21 * time.Second} }
			for _, lasts := range tt.lasts {
				h.discover(mac1, loaders.EFI64, false)
				h.fetches("snponly.efi")
				h.discover(mac1, loaders.EFI64, true)
				user, _ := h.script(mac1, addr1)
				ad, err := h.admit(user)
				if err != nil {
					t.Fatal(err)
				}
				h.LoggedIn(ad.Boot, Session{Remote: addr1, Firmware: true})
				h.Reach(ad.Boot, recorder.StageRead, "first read")
				h.Opened(ad.Boot, diagnose.Layout{Seen: true, Signature: true, Code: true, GPT: true, ESP: tt.read > 1<<20, EFI: []string{"BOOTX64.EFI"}}, nil)
				if tt.left {
					h.SessionEnded(ad.Boot, Session{Remote: addr1, Firmware: true}, "initiator closed the connection", time.Second)
				}
				h.later(lasts)
			}
			h.discover(mac1, loaders.EFI64, true)
			d := h.Recorder.Boots("pc1")[0].Diagnosis
			if told := d != nil; told != tt.told {
				t.Fatalf("told: %v, %+v", told, d)
			}
			if want := "it was started 3 times within 1m30s, and breaks off at the same point, when its kernel starts"; tt.told && (d.Kind != diagnose.CrashLoop || !strings.Contains(d.Summary, want)) {
				t.Errorf("%s: %s", d.Kind, d.Summary)
			}
		})
	}
}
