package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"bootes.dev/internal/api"
	"bootes.dev/internal/recorder"
)

// standing is how a machine stands, what needs a person first.
type standing int

const (
	stuck standing = iota
	turnedAway
	late // it takes much longer than usual
	booting
	ailing // it runs, and was warned of
	up
	off
	never
)

var standings = map[standing]string{
	stuck: "stalled", turnedAway: "refused", late: "slow", booting: "booting", ailing: "warned", up: "running", off: "off", never: "never booted",
}

// fresh is how long a refusal, or a stall, is news of the room.
const fresh = 12 * time.Hour

// relogin is how long a system may be without a session that takes up one it has
// lost, or hands its disk from its initramfs to its own initiator.
const relogin = 15 * time.Second

// roomLine is one line of the room.
type roomLine struct {
	api.LatestBoot
	standing
	read, written float64 // bytes a second, by a file that it is sent or from its disks
}

// standingOf is how the machine of b stands.
func standingOf(b api.LatestBoot, now time.Time) standing {
	old := now.Sub(b.Last) > fresh
	connected := b.Connected || now.Sub(b.Last) < relogin
	switch {
	case b.Started.IsZero():
		return never
	case b.Outcome == recorder.OutcomeStalled && !old:
		return stuck
	case b.Outcome == recorder.OutcomeRefused && !old:
		return turnedAway
	case b.Outcome == recorder.OutcomeRunning && connected && troubled(b):
		return ailing
	case b.Outcome == recorder.OutcomeRunning && connected, b.Connected && b.Outcome != "":
		return up
	case b.Outcome != "", old, aside(b):
		return off
	}
	if st, ok := lastStage(b); ok && slow(st.Took, st.Usual) || b.Diagnosis != nil {
		return late
	}
	return booting
}

// aside reports whether b is no boot, only what was said of a machine that has
// not booted yet.
func aside(b api.LatestBoot) bool { return b.ID == "" && b.Stage == "" }

func troubled(b api.LatestBoot) bool {
	return len(b.Events) > 0 && mark(b.Events[len(b.Events)-1].Level) != ""
}

func lastStage(b api.LatestBoot) (st recorder.StageTime, ok bool) {
	if len(b.Stages) == 0 {
		return st, false
	}
	return b.Stages[len(b.Stages)-1], true
}

// room is what the machines do, as seen twice.
type room struct {
	lines []roomLine
	at    time.Time
}

// look is the room as it is now; before is an earlier look, by which it knows
// how fast disks are.
func look(boots []api.LatestBoot, before room, now time.Time) room {
	earlier := map[string]roomLine{}
	for _, s := range before.lines {
		earlier[s.ID] = s
	}
	r := room{at: now}
	for _, b := range boots {
		s := roomLine{LatestBoot: b, standing: standingOf(b, now)}
		if s.standing == off && b.Machine == "" {
			continue // a stranger that came by
		}
		old := earlier[b.ID]
		if over := now.Sub(before.at).Seconds(); old.Connected && b.Connected && over > 0 {
			s.read = max(float64(b.ReadBytes-old.ReadBytes)/over, 0)
			s.written = max(float64(b.WrittenBytes-old.WrittenBytes)/over, 0)
		}
		s.read = max(s.read, transferRate(b.Transfer, old.Transfer, now, before.at))
		r.lines = append(r.lines, s)
	}
	slices.SortStableFunc(r.lines, func(a, b roomLine) int { return cmp.Compare(a.standing, b.standing) })
	return r
}

// transferRate is how fast a file is sent: since the look before, or, if that
// found another one or none, since its beginning.
func transferRate(x, old *api.Transfer, now, before time.Time) float64 {
	if x == nil {
		return 0
	}
	since, done := x.Began, x.Done
	if old != nil && old.Began.Equal(x.Began) {
		since, done = before, x.Done-old.Done
	}
	over := now.Sub(since).Seconds()
	if over <= 0 {
		return 0
	}
	return max(float64(done)/over, 0)
}

// headline counts the room.
func (r room) headline() string {
	if len(r.lines) == 0 {
		return "no machines yet: `bootes machine add --help` shows how to add one"
	}
	return fmt.Sprintf("%s: %s", count(len(r.lines), "machine"), r.counts())
}

// counts tells how many machines stand how.
func (r room) counts() string {
	var parts []string
	for st := stuck; st <= never; st++ {
		if n := r.count(st); n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, standings[st]))
		}
	}
	return strings.Join(parts, ", ")
}

func (r room) count(st standing) (n int) {
	for _, s := range r.lines {
		if s.standing == st {
			n++
		}
	}
	return n
}
