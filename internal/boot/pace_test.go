package boot

import (
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"bootes.dev/internal/diagnose"
	"bootes.dev/internal/loaders"
	"bootes.dev/internal/recorder"
)

// TestLossyLink: a system whose commands wait, and to which much is sent again, is told
// of once.
func TestLossyLink(t *testing.T) {
	h := newHouse(t)
	h.Patience = func(recorder.Stage, recorder.Usual) time.Duration { return time.Hour }
	var resent atomic.Uint64
	h.Pace = func(string) diagnose.Pace { return diagnose.Pace{Sent: 2000, Resent: resent.Load()} }
	ad := h.running()
	const says = "its system runs, and its disk is slow: "
	h.Waits(ad.Boot)
	time.Sleep(50 * time.Millisecond)
	if n := h.on("pc1", says); n != 0 {
		t.Errorf("of a sound link it is told %d times", n)
	}
	resent.Store(300)
	for range 3 {
		h.Waits(ad.Boot)
		time.Sleep(50 * time.Millisecond)
	}
	if d := h.diagnosed("pc1"); d.Kind != diagnose.Slow || h.on("pc1", says) != 1 || !strings.Contains(d.Causes[0].Text, "loses packets") {
		t.Errorf("told %d times: %+v", h.on("pc1", says), d)
	}
}

// TestGait: what a boot does before it pauses does not count as slow.
func TestGait(t *testing.T) {
	const s = time.Second
	var g gait
	start, session := time.Now(), time.Unix(1, 0)
	for _, tt := range []struct {
		at       time.Duration
		stage    recorder.Stage
		commands uint64
		goes     bool
		going    time.Duration
		over     time.Duration
		late     uint64
	}{
		{0, recorder.StageLogin, 5, false, 0, 0, 5},
		{1 * s, recorder.StageRead, 10, false, 0, 0, 10},
		{11 * s, recorder.StageRead, 30, true, 10 * s, 10 * s, 20},
		{21 * s, recorder.StageRead, 40, true, 20 * s, 20 * s, 30},
		{60 * s, recorder.StageRead, 40, false, 20 * s, 59 * s, 30}, // a menu
		{70 * s, recorder.StageRead, 44, true, 30 * s, 10 * s, 4},
		{80 * s, recorder.StageRead, 3, false, 40 * s, 0, 3}, // opened anew
		{90 * s, recorder.StageRead, 5, true, 50 * s, 10 * s, 2},
	} {
		late, goes := g.see(tt.stage, diagnose.Pace{Session: session, Commands: tt.commands}, start.Add(tt.at))
		if goes != tt.goes || g.going != tt.going || late.Over != tt.over || late.Commands != tt.late {
			t.Errorf("at %s: %v, %s, %d commands in %s; want %+v", tt.at, goes, g.going, late.Commands, late.Over, tt)
		}
	}
}

// TestSlowBoot is told of once, while it goes on, and has not stopped.
func TestSlowBoot(t *testing.T) {
	h := newHouse(t)
	h.Patience = func(recorder.Stage, recorder.Usual) time.Duration { return 200 * time.Millisecond }
	h.Crawls = func(recorder.Stage, recorder.Usual) time.Duration { return 300 * time.Millisecond }
	var n atomic.Uint64
	h.Moved = func(string) Moved { return Moved{Reads: n.Add(1), Read: 1 << 20} }
	began := time.Now()
	h.Pace = func(string) diagnose.Pace {
		return diagnose.Pace{Session: began, Commands: n.Load(), Served: time.Since(began), Volume: "pc1-v", IOPS: 3}
	}
	h.discover(mac1, loaders.EFI64, true)
	user, _ := h.script(mac1, addr1)
	ad, err := h.admit(user)
	if err != nil {
		t.Fatal(err)
	}
	h.LoggedIn(ad.Boot, Session{Remote: addr1, Firmware: true})
	h.Reach(ad.Boot, recorder.StageRead, "first read")
	var b recorder.Boot
	if !eventually(func() bool { b = h.Recorder.Boots("pc1")[0]; return b.Diagnosis != nil }) {
		t.Fatal("nothing is said")
	}
	time.Sleep(400 * time.Millisecond)
	b = h.Recorder.Boots("pc1")[0]
	if b.Diagnosis.Kind != diagnose.Slow || b.Outcome != "" || !strings.Contains(b.Diagnosis.Causes[0].Remedy, "bootes volume set pc1-v --iops none") {
		t.Errorf("%q, %+v", b.Outcome, b.Diagnosis)
	}
	told := 0
	for _, e := range b.Events {
		if e.Diagnosis != nil {
			told++
		}
	}
	if told != 1 {
		t.Errorf("told of %d times", told)
	}
	h.Reach(ad.Boot, recorder.StageRunning, "first write")
	if b := h.Recorder.Boots("pc1")[0]; b.Outcome != recorder.OutcomeRunning || b.Diagnosis != nil {
		t.Errorf("it has come to run: %q, %+v", b.Outcome, b.Diagnosis)
	}
}

// TestSlowLoader: a file that takes its time is told of while it is sent.
func TestSlowLoader(t *testing.T) {
	h := newHouse(t)
	h.Crawls = func(recorder.Stage, recorder.Usual) time.Duration { return 100 * time.Millisecond }
	began := time.Now()
	h.Sent = func(to netip.Addr) diagnose.File {
		if to != addr1 {
			t.Errorf("asked for what is sent to %s", to)
		}
		return diagnose.File{Name: "snponly.efi", Proto: "TFTP", Began: began, Done: time.Since(began).Milliseconds(), Size: 1 << 20}
	}
	h.discover(mac1, loaders.EFI64, false)
	h.File(t.Context(), "snponly.efi", addr1, server)
	var b recorder.Boot
	if !eventually(func() bool { b = h.Recorder.Boots("pc1")[0]; return b.Diagnosis != nil }) {
		t.Fatal("nothing is said")
	}
	if b.Diagnosis.Kind != diagnose.Slow || b.Outcome != "" || !strings.Contains(b.Diagnosis.Summary, "snponly.efi is being sent") {
		t.Errorf("%q, %+v", b.Outcome, b.Diagnosis)
	}
}

// TestLoaderThatCrept: its time is that of the stage of the loader, and it is said
// what it shows.
func TestLoaderThatCrept(t *testing.T) {
	h := newHouse(t)
	h.discover(mac1, loaders.BIOS, false)
	began := time.Now()
	h.LoaderFetched(t.Context(), Fetched{Name: "undionly.kpxe", Proto: "TFTP", Remote: addr1, Bytes: 74213, Block: 1432, Took: 21483 * time.Millisecond})
	b := h.Recorder.Boots("pc1")[0]
	e := b.Events[len(b.Events)-1]
	want := "undionly.kpxe sent by TFTP, 74213 bytes in 21.483s, in packets of 1432, none of them lost: the way to it is long, or narrow"
	if e.Text != want || e.Level != recorder.Warn || began.Sub(e.Since) < 21*time.Second {
		t.Errorf("%s %q since %s, want %q", e.Level, e.Text, e.Since, want)
	}
}
