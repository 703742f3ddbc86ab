package boot

import (
	"testing"
	"time"

	"bootes.dev/internal/diagnose"
)

// TestFallsSilent: of a system that has its session and does not answer is told
// while it is so; of its end nothing is left if it was switched off after a long run.
func TestFallsSilent(t *testing.T) {
	for name, tt := range map[string]struct {
		then func(h *house, ad *Admitted)
		want string
	}{
		"stays silent": {func(*house, *Admitted) {}, diagnose.SystemSilent},
		"heard again":  {func(h *house, ad *Admitted) { h.HeardAgain(ad.Boot) }, ""},
		"reinstated": {func(h *house, ad *Admitted) {
			h.SessionEnded(ad.Boot, Session{Remote: addr1}, "reinstated: the initiator logged in again", 2*time.Minute)
			h.LoggedIn(ad.Boot, Session{Remote: addr1})
		}, ""},
		"comes back": {func(h *house, ad *Admitted) { h.LoggedIn(ad.Boot, Session{Remote: addr1}) }, ""},
		"switched off": {func(h *house, ad *Admitted) {
			h.SessionEnded(ad.Boot, Session{Remote: addr1, Unanswered: 2 * time.Minute}, "the initiator answers no ping", time.Hour)
		}, ""},
		"gone soon": {func(h *house, ad *Admitted) {
			h.SessionEnded(ad.Boot, Session{Remote: addr1, Unanswered: 2 * time.Minute}, "the initiator answers no ping", time.Second)
		}, diagnose.SystemGone},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			h.Patience = diagnose.Patience
			h.Heard = func(string, time.Time) diagnose.Heard { return diagnose.Heard{Known: true} }
			ad := h.running()
			h.FellSilent(ad.Boot, time.Minute, 30*time.Second, 10*time.Second)
			if !eventually(func() bool { return kindOf(h.Recorder.Boots("pc1")[0]) == diagnose.SystemSilent }) {
				t.Fatalf("%+v", h.Recorder.Boots("pc1")[0].Events)
			}
			tt.then(h, ad)
			if !eventually(func() bool { return kindOf(h.Recorder.Boots("pc1")[0]) == tt.want }) {
				t.Errorf("kind %q", kindOf(h.Recorder.Boots("pc1")[0]))
			}
		})
	}
}
