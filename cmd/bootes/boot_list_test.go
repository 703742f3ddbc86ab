package main

import (
	"strings"
	"testing"
	"time"

	"bootes.dev/internal/api"
	"bootes.dev/internal/diagnose"
	"bootes.dev/internal/recorder"
)

func TestBootsText(t *testing.T) {
	all := smallRoom()
	all[len(all)-1].Last = now.Add(-lately)
	got := bootsText(recent(all, now), now)
	for _, want := range []string{
		"pc14               pc14-1  3 min ago   loader    stalled    1.0 s  loader-silent\n",
		"pc05               -       never       -         -          -      -\n",
		"52:54:00:00:00:99  -1      60 s ago    firmware  refused    0 ms   -\n",
		"\nsomething is wrong with 2 boots: `bootes boot log NAME` says what\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in\n%s", want, got)
		}
	}
	silent := ended(latest("pc", time.Hour, recorder.StageRunning), recorder.OutcomeRunning)
	silent.Diagnosis = &recorder.Diagnosis{Kind: diagnose.SystemSilent}
	if got, want := bootsText([]api.LatestBoot{silent}, now), "something is wrong with 1 boot: "; !strings.Contains(got, "  running  silent ") || !strings.Contains(got, want) {
		t.Errorf("of a system that does not answer:\n%s", got)
	}
	again := latest("pc", time.Second, recorder.StageLoader)
	again.Before = "loader-silent"
	if got, want := bootsText([]api.LatestBoot{again}, now), "something is wrong with 1 boot: "; !strings.Contains(got, "loader-silent (boot before)") || !strings.Contains(got, want) {
		t.Errorf("of a machine that tries again:\n%s", got)
	}
	if strings.Contains(got, ":98") {
		t.Errorf("a stranger of yesterday is shown:\n%s", got)
	}
	if got, want := bootsText(nil, now), "no machines yet, and nobody has asked to boot: `bootes boot watch` shows what arrives\n"; got != want {
		t.Errorf("of nobody: %s", got)
	}
}

func TestStandings(t *testing.T) {
	b := ended(latest("pc", time.Hour, recorder.StageLoader), recorder.OutcomeStalled)
	if st := standingOf(b, now.Add(24*time.Hour)); st != off {
		t.Errorf("a stall of yesterday: %s, want off", standings[st])
	}
	b.Outcome, b.Connected = recorder.OutcomeReplaced, true
	if st := standingOf(b, now); st != up {
		t.Errorf("a session, whatever the boot: %s, want running", standings[st])
	}
	b.Outcome, b.Connected, b.Last = recorder.OutcomeRunning, false, now.Add(-2*time.Second)
	if st := standingOf(b, now); st != up {
		t.Errorf("between two sessions: %s, want running", standings[st])
	}
	b.Last = now.Add(-time.Hour)
	if st := standingOf(b, now); st != off {
		t.Errorf("without a session: %s, want off", standings[st])
	}
	if b.Outcome, b.ID, b.Stage = "", "", ""; standingOf(b, now) != off || !strings.Contains(bootsText([]api.LatestBoot{b}, now), "60 min ago  -      -        60 min  -\n") {
		t.Errorf("a refused login is taken for a boot:\n%s", bootsText([]api.LatestBoot{b}, now))
	}
	b.ID, b.Stage = "pc-1", recorder.StageLoader
	if st := standingOf(b, now); st != booting {
		t.Errorf("under way: %s, want booting", standings[st])
	}
}
