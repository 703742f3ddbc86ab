package boot

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"bootes.dev/internal/diagnose"
	"bootes.dev/internal/loaders"
	"bootes.dev/internal/recorder"
)

// checking lets h check images; each is found to be what found says.
func (h *house) checking(found func(layer string) (string, error)) (checks *atomic.Int32) {
	checks = new(atomic.Int32)
	h.Check = func(_ context.Context, layer string) (string, error) {
		checks.Add(1)
		return found(layer)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(h.t.Context()))
	over := make(chan error)
	go func() { over <- h.CheckImages(ctx) }()
	h.t.Cleanup(func() {
		cancel()
		if err := <-over; err != nil {
			h.t.Error(err)
		}
	})
	return checks
}

// reading is a boot that has read, and then does nothing.
func (h *house) reading() *Admitted {
	h.t.Helper()
	h.discover(mac1, loaders.EFI64, true)
	user, _ := h.script(mac1, addr1)
	ad, err := h.admit(user)
	if err != nil {
		h.t.Fatal(err)
	}
	h.LoggedIn(ad.Boot, Session{Remote: addr1, Firmware: true})
	h.Reach(ad.Boot, recorder.StageRead, "first read")
	return ad
}

// running is a boot whose system has its disk and has written.
func (h *house) running() *Admitted {
	h.t.Helper()
	h.discover(mac1, loaders.EFI64, true)
	user, _ := h.script(mac1, addr1)
	ad, err := h.admit(user)
	if err != nil {
		h.t.Fatal(err)
	}
	h.LoggedIn(ad.Boot, Session{Remote: addr1})
	h.Reach(ad.Boot, recorder.StageRunning, "first write")
	return ad
}

func damaged(string) (string, error) { return "1 of 9 MiB changed since it was made", nil }

func TestDamageIsNamed(t *testing.T) {
	h := newHouse(t)
	checks := h.checking(damaged)
	h.reading()
	if !eventually(func() bool {
		d := h.Recorder.Boots("pc1")[0].Diagnosis
		return d != nil && d.Kind == diagnose.ImageCorrupt
	}) {
		t.Fatalf("%+v", h.Recorder.Boots("pc1")[0])
	}
	b := h.Recorder.Boots("pc1")[0]
	if b.Outcome != recorder.OutcomeStalled || !strings.Contains(strings.Join(b.Diagnosis.Evidence, "\n"), "1 of 9 MiB") {
		t.Errorf("%q, %+v", b.Outcome, b.Diagnosis)
	}

	h.Patience = func(recorder.Stage, recorder.Usual) time.Duration { return time.Hour }
	h.reading()
	h.reading()
	if b := h.Recorder.Boots("pc1")[1]; b.Outcome != recorder.OutcomeStalled || b.Diagnosis == nil || b.Diagnosis.Kind != diagnose.ImageCorrupt {
		t.Errorf("a boot that restarted from an image that is known to be damaged: %q, %+v", b.Outcome, b.Diagnosis)
	}
	if n := checks.Load(); n != 1 {
		t.Errorf("checked %d times within an hour", n)
	}
}

// TestDamageOfSilent: a system that hangs for a block of its image that has changed
// has done its first write before.
func TestDamageOfSilent(t *testing.T) {
	h := newHouse(t)
	h.Patience = diagnose.Patience
	h.checking(damaged)
	ad := h.running()
	h.FellSilent(ad.Boot, time.Minute, 30*time.Second, 10*time.Second)
	if !eventually(func() bool { return kindOf(h.Recorder.Boots("pc1")[0]) == diagnose.ImageCorrupt }) {
		t.Errorf("%+v", h.Recorder.Boots("pc1")[0].Events)
	}
}

func TestSoundImage(t *testing.T) {
	h := newHouse(t)
	h.checking(func(layer string) (string, error) {
		if layer != "layer-1" {
			t.Errorf("layer %q is checked", layer)
		}
		return "", nil
	})
	h.reading()
	if !eventually(func() bool {
		return h.told("image debian:12 was compared with its hashes: nothing has changed since it was made; a mistake that was in it then is not excluded")
	}) {
		t.Error("that the image is good is not told")
	}
	if b := h.Recorder.Boots("pc1")[0]; b.Diagnosis == nil || b.Diagnosis.Kind != diagnose.NoSystemLogin {
		t.Errorf("%+v", b.Diagnosis)
	}
}

// TestChecksAgain: a check that failed, or was long ago, is made again.
func TestChecksAgain(t *testing.T) {
	h := newHouse(t)
	h.checkAgain = 0
	checks := h.checking(func(string) (string, error) { return "", errors.New("it has no hashes yet") })
	for want := int32(1); want < 3; want++ {
		h.reading()
		h.stopped("pc1")
		if !eventually(func() bool { return checks.Load() == want }) {
			t.Fatalf("%d checks, want %d", checks.Load(), want)
		}
	}
	if h.told("compared with its hashes") {
		t.Error("what was not checked is told of")
	}
}

// TestNotSuspected are boots that an image's damage cannot have stopped, or that
// a person may have.
func TestNotSuspected(t *testing.T) {
	h := newHouse(t)
	checks := h.checking(damaged)
	h.discover(mac1, loaders.EFI64, true)
	h.script(mac1, addr1)
	h.stopped("pc1")
	h.Patience = func(recorder.Stage, recorder.Usual) time.Duration { return time.Hour }
	h.reading()
	h.reading()
	time.Sleep(50 * time.Millisecond)
	if n := checks.Load(); n != 0 {
		t.Errorf("%d checks of boots without a disk, or replaced once", n)
	}
	h.reading()
	if !eventually(func() bool { return checks.Load() == 1 }) {
		t.Error("no check though two boots in a row came equally far")
	}
}

func TestChecksAreBounded(t *testing.T) {
	k := newChecks()
	now := time.Now()
	for i := range 2 * maxChecks {
		k.add(strings.Repeat("x", i), now, checkAgain)
	}
	if len(k.of) != maxChecks || len(k.queue) != maxChecks {
		t.Errorf("%d layers, %d of them wait", len(k.of), len(k.queue))
	}
}
