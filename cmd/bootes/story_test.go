package main

import (
	"strings"
	"testing"
	"time"

	"bootes.dev/internal/api"
	"bootes.dev/internal/diagnose"
	"bootes.dev/internal/recorder"
)

func stalledBoot() api.Boot {
	start := now.Add(-5 * time.Minute)
	at := func(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }
	d := &recorder.Diagnosis{
		Kind: "loader-silent", Summary: "snponly.efi was fetched, then nothing came for 45 s",
		Evidence: []string{"the firmware is UEFI x86-64", "snponly.efi \x1b[2J is not signed"},
		Causes: []recorder.Cause{
			{Text: "Secure Boot is on", Remedy: "switch Secure Boot off in the machine's firmware set-up"},
			{Text: "the loader hangs on this card", Remedy: "bootes machine set pc14 --loader ipxe.efi"},
		},
	}
	return api.Boot{
		ID: "b9", Machine: "pc14", Started: start, Stage: recorder.StageLoader, Outcome: recorder.OutcomeStalled, Ended: at(47000), Diagnosis: d,
		Stages: []recorder.StageTime{
			{Stage: recorder.StageFirmware, At: start, Took: 400 * time.Millisecond, Usual: 410 * time.Millisecond},
			{Stage: recorder.StageLoader, At: at(400), Took: 46600 * time.Millisecond, Usual: 2100 * time.Millisecond},
		},
		Events: []api.Event{
			{Time: start, Stage: recorder.StageFirmware, Text: "DISCOVER from UEFI x86-64 on br0", Again: 2, Until: at(6000)},
			{Time: at(3), Text: "OFFER 10.77.0.101, boot file snponly.efi"},
			{Time: at(400), Stage: recorder.StageLoader, Text: "snponly.efi sent by TFTP, 277504 bytes in 120ms"},
			{Time: at(500), Level: recorder.Warn, Text: "stalled for a moment", Outcome: recorder.OutcomeStalled, Diagnosis: &recorder.Diagnosis{Summary: "an earlier one"}},
			{Time: at(47000), Level: recorder.Warn, Text: d.Summary, Outcome: recorder.OutcomeStalled, Diagnosis: d},
		},
	}
}

func TestStory(t *testing.T) {
	s := story{now: now}
	s.tell(stalledBoot())
	want := `
boot b9 of pc14, 2026-01-02 11:55:00 (5 min ago): STALLED at stage loader after 47 s
  firmware  0.4 s, usually 0.4 s
    +0.000s  DISCOVER from UEFI x86-64 on br0 (again 2 times in 6.0 s)
    +0.003s  OFFER 10.77.0.101, boot file snponly.efi
  loader    47 s, usually 2.1 s  SLOW
    +0.400s  snponly.efi sent by TFTP, 277504 bytes in 120ms
    +0.500s  WARNING: stalled: stalled for a moment
   +47.000s  WARNING: it has stopped here; see below

  WHY IT STOPPED: snponly.efi was fetched, then nothing came for 45 s [loader-silent]
  seen:
    - the firmware is UEFI x86-64
    - snponly.efi ?[2J is not signed
  likely causes, and what to do:
    1. Secure Boot is on
       -> switch Secure Boot off in the machine's firmware set-up
    2. the loader hangs on this card
       -> bootes machine set pc14 --loader ipxe.efi
`
	if got := s.String(); got != want[1:] {
		t.Errorf("got\n%s\nwant%s", got, want)
	}
}

// Of boots that stop one after the other for the same reason, the last one says
// all of it.
func TestStoryOfALoop(t *testing.T) {
	a := &app{out: &strings.Builder{}, now: func() time.Time { return now }}
	first, second, third := stalledBoot(), stalledBoot(), stalledBoot()
	third.Outcome, third.Ended = "", time.Time{}
	d := third.Diagnosis
	third.Stages = nil
	third.Events = []api.Event{{Time: third.Started, Level: recorder.Warn, Text: d.Summary, Diagnosis: d}}
	got := a.bootLogText("pc14", []api.MachineBoot{{Boot: third}, {Boot: second}, {Boot: first}}, nil)
	if n := strings.Count(got, "  WHY IT STOPPED: as the next one, see there [loader-silent]\n"); n != 2 {
		t.Errorf("%d boots refer to the next one, want 2:\n%s", n, got)
	}
	want := `
boot b9 of pc14, 2026-01-02 11:55:00 (5 min ago): under way for 5 min, and something is wrong
    +0.000s  WARNING: snponly.efi was fetched, then nothing came for 45 s; see below

  WHAT IS WRONG: snponly.efi was fetched, then nothing came for 45 s [loader-silent]
  seen:
`
	if !strings.Contains(got, want) {
		t.Errorf("got\n%s\nwant in it\n%s", got, want)
	}
}

// A machine whose disk fails while it runs is not told of as one that is well.
func TestStoryOfTroubleLater(t *testing.T) {
	b := stalledBoot()
	d := &recorder.Diagnosis{Kind: "disk-full", Summary: "its writes fail: volume pc14-1 is at its limit of 1G"}
	b.Outcome, b.Stage, b.Diagnosis = recorder.OutcomeRunning, recorder.StageRunning, d
	b.Events = append(b.Events[:3:3], api.Event{Time: b.Started.Add(time.Minute), Level: recorder.Error, Text: "all of it", Diagnosis: d})
	b.Last = b.Started.Add(time.Minute)
	s := story{now: now}
	s.tell(b)
	for _, want := range []string{
		"(5 min ago): it ran from 11:55:47, 47 s after its start, and was last heard of at 11:56:00, and something is wrong since 11:56:00\n",
		"\n   +60.000s  ERROR: its writes fail: volume pc14-1 is at its limit of 1G; see below\n",
		"\n\n  WHAT IS WRONG: its writes fail: volume pc14-1 is at its limit of 1G [disk-full]\n",
	} {
		if !strings.Contains(s.String(), want) {
			t.Errorf("got\n%s\nwant in it\n%q", s.String(), want)
		}
	}
}

// Of a system that does not answer it is not said that it runs.
func TestStoryDoesNotSayThatItRuns(t *testing.T) {
	b := stalledBoot()
	b.Outcome, b.Stage, b.Last = recorder.OutcomeRunning, recorder.StageRunning, now
	for kind, want := range map[string]string{
		diagnose.SystemSilent:   "(5 min ago): its system began to run at 11:55:47, 47 s after it was started, and does not answer\n",
		diagnose.MountMissing:   ", and cannot mount all that it should\n",
		diagnose.ConnectionLost: ", and loses its disk again and again\n",
		diagnose.DiskFull:       "(5 min ago): it runs since 11:55:47, 47 s after its start, and something is wrong since 11:56:00\n",
	} {
		d := &recorder.Diagnosis{Kind: kind, Summary: "something"}
		b.Diagnosis = d
		b.Events = append(b.Events[:3:3], api.Event{Time: b.Started.Add(time.Minute), Level: recorder.Warn, Text: "all of it", Diagnosis: d})
		s := story{now: now}
		if s.tell(b); !strings.Contains(s.String(), want) {
			t.Errorf("%s: got\n%s\nwant in it\n%q", kind, s.String(), want)
		}
	}
}

func TestStoryIsBrokenAtTheScreensEdge(t *testing.T) {
	s := story{now: now, columns: 44, ink: true}
	s.diagnosis("WHY IT STOPPED", *stalledBoot().Diagnosis)
	want := "\n" +
		"  \x1b[1;31mWHY IT STOPPED\x1b[0m: snponly.efi was fetched,\n" +
		"  then nothing came for 45 s\x1b[2m [loader-silent]\x1b[0m\n" +
		"  seen:\n" +
		"    - the firmware is UEFI x86-64\n" +
		"    - snponly.efi ?[2J is not signed\n" +
		"  likely causes, and what to do:\n" +
		"    1. Secure Boot is on\n" +
		"       -> \x1b[1mswitch Secure Boot off in the\n" +
		"          machine's firmware set-up\x1b[0m\n" +
		"    2. the loader hangs on this card\n" +
		"       -> \x1b[1mbootes machine set pc14 --loader\n" +
		"          ipxe.efi\x1b[0m\n"
	if got := s.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestStoryOfWhatIsCertain(t *testing.T) {
	s := story{now: now}
	s.diagnosis("WHY IT STOPPED", recorder.Diagnosis{
		Kind: "no-system-login", Summary: "the kernel is missing", Evidence: []string{"2M was read"}, Causes: []recorder.Cause{{Text: "the kernel is missing", Remedy: "install it"}},
	})
	want := "\n  WHY IT STOPPED: the kernel is missing [no-system-login]\n  seen:\n    - 2M was read\n  what to do:\n    -> install it\n"
	if got := s.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestStoryTellsHowItWent(t *testing.T) {
	for o, want := range map[recorder.Outcome]string{
		"":                       "under way for 5 min, at stage loader for 47 s",
		recorder.OutcomeRunning:  "it runs since 11:55:47, 47 s after its start",
		recorder.OutcomeReplaced: "began anew at stage loader after 47 s",
		recorder.OutcomeRefused:  "refused at stage loader",
	} {
		b := stalledBoot()
		b.Outcome, b.Diagnosis, b.Events, b.Dropped, b.Last = o, nil, nil, 7, now
		s := story{now: now}
		s.tell(b)
		first, rest, _ := strings.Cut(s.String(), "\n")
		if !strings.HasSuffix(first, ": "+want) {
			t.Errorf("%q: %s, want %s", o, first, want)
		}
		if !strings.Contains(rest, "loader    47 s, usually 2.1 s") || !strings.HasSuffix(rest, "(its events are not kept any more)\n") {
			t.Errorf("of a boot without events:\n%s", rest)
		}
	}
}

func TestAgain(t *testing.T) {
	for want, e := range map[string]recorder.Event{
		"":                           {},
		" (again 1 time at once)":    {Time: now, Again: 1, Until: now.Add(time.Millisecond)},
		" (again 12 times in 40 s)":  {Time: now, Again: 12, Until: now.Add(40 * time.Second)},
		" (again 300 times in 10 h)": {Time: now, Again: 300, Until: now.Add(10 * time.Hour)},
	} {
		if got := again(e); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestSpan(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0 s", 0: "0 ms", 94 * time.Millisecond: "94 ms", 96 * time.Millisecond: "0.1 s", 9949 * time.Millisecond: "9.9 s", 9951 * time.Millisecond: "10 s",
		99 * time.Second: "99 s", 2 * time.Minute: "2 min", 5 * time.Hour: "5 h", 100 * time.Hour: "4 days",
	} {
		if got := span(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
}

// Of a boot that goes on, the newest figures are told; one that has come to run
// runs only as long as it has its disk.
func TestStoryOfNow(t *testing.T) {
	reads := &api.Now{Traffic: api.Traffic{ReadBytes: 9 << 20, Connected: true}, Reads: 120, ReadRate: 77 << 10, Over: 40 * time.Second, Quiet: 300 * time.Millisecond}
	runs := &api.Now{Traffic: api.Traffic{ReadBytes: 198 << 20, WrittenBytes: 6 << 20, Connected: true}, Reads: 7000, Quiet: 4 * time.Second}
	sent := &api.Now{Transfer: &api.Transfer{Name: "snponly.efi", Proto: "TFTP", Began: now.Add(-25 * time.Second), Done: 60 << 10, Size: 270 << 10}}
	for name, tt := range map[string]struct {
		outcome recorder.Outcome
		live    *api.Now
		next    *api.Boot
		last    time.Duration // before now
		head    string
		goes    string
	}{
		"reads":    {"", reads, nil, 0, "under way for 5 min, at stage loader for 47 s", "9 MiB read, by 120 commands, and 0 B written; 77 KiB/s read in the last 40 s; last heard of 0.3 s ago"},
		"is sent":  {"", sent, nil, 0, "under way for 5 min, at stage loader for 47 s", "60 KiB of 270 KiB of snponly.efi have arrived by TFTP, in 25 s"},
		"runs":     {recorder.OutcomeRunning, runs, nil, 0, "it runs since 11:55:47, 47 s after its start", "198 MiB read, by 7000 commands, and 6 MiB written; last heard of 4.0 s ago"},
		"relogs":   {recorder.OutcomeRunning, nil, nil, 3 * time.Second, "it runs since 11:55:47, 47 s after its start", ""},
		"is gone":  {recorder.OutcomeRunning, nil, nil, time.Minute, "it ran from 11:55:47, 47 s after its start, and was last heard of at 11:59:00", ""},
		"was gone": {recorder.OutcomeRunning, nil, &api.Boot{}, -30 * time.Hour, "it ran from 11:55:47, 47 s after its start, and was last heard of at 2026-01-03 18:00:00", ""},
	} {
		b := stalledBoot()
		b.Stages[1].Usual, b.Stages[1].Peers = 0, 3*time.Second
		b.Outcome, b.Diagnosis, b.Events, b.Last = tt.outcome, nil, b.Events[:1], now.Add(-tt.last)
		s := story{now: now, live: tt.live, next: tt.next}
		s.tell(b)
		first, rest, _ := strings.Cut(s.String(), "\n")
		if !strings.HasSuffix(first, ": "+tt.head) {
			t.Errorf("%s: %s, want %s", name, first, tt.head)
		}
		if line := "  loader    47 s, with this image usually 3.0 s  SLOW\n"; !strings.Contains(rest, line) {
			t.Errorf("%s: %q is not in\n%s", name, line, rest)
		}
		_, goes, _ := strings.Cut(rest, "        now  ")
		if goes = strings.TrimSuffix(goes, "\n"); goes != tt.goes {
			t.Errorf("%s: %q, want %q", name, goes, tt.goes)
		}
	}
}
