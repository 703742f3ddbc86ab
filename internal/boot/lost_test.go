package boot

import (
	"testing"
	"time"

	"bootes.dev/internal/diagnose"
	"bootes.dev/internal/recorder"
)

// TestLosesItsDisk: a system that comes back each time, and whose connection is lost
// each time, is told of; one that iscsid takes over, or that shuts down, is not.
func TestLosesItsDisk(t *testing.T) {
	for name, tt := range map[string]struct {
		lost    int
		orderly bool
		told    bool
	}{
		"taken over": {1, false, false}, "forgotten": {3, false, true}, "in order": {4, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			h.Patience = func(recorder.Stage, recorder.Usual) time.Duration { return time.Hour }
			ad := h.running()
			for range tt.lost {
				h.later(time.Minute)
				h.SessionEnded(ad.Boot, Session{Remote: addr1, LoggedOut: tt.orderly}, "reinstated: the initiator logged in again", time.Minute)
				h.LoggedIn(ad.Boot, Session{Remote: addr1})
			}
			if tt.told {
				eventually(func() bool { return h.Recorder.Boots("pc1")[0].Diagnosis != nil })
			} else {
				time.Sleep(50 * time.Millisecond)
			}
			b := h.Recorder.Boots("pc1")[0]
			if kind := kindOf(b); b.Outcome != recorder.OutcomeRunning || tt.told != (kind == diagnose.ConnectionLost) {
				t.Errorf("%q, %q", b.Outcome, kind)
			}
		})
	}
}
