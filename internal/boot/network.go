package boot

import (
	"sync"
	"time"

	"bootes.dev/internal/recorder"
)

// Bounds on warnings of networks.
const (
	warningTime = 10 * time.Minute // in which boots that begin are told of one
	maxWarnings = 16               // per interface
)

// warnings are what goes wrong on whole networks, by interface, newest last.
type warnings struct {
	mu  sync.Mutex
	all map[string][]warning
}

type warning struct {
	text string
	at   time.Time
}

// add remembers a warning.
func (w *warnings) add(iface, text string, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.all == nil {
		w.all = map[string][]warning{}
	}
	l := append(w.all[iface], warning{text, now})
	w.all[iface] = l[max(len(l)-maxWarnings, 0):]
}

// of returns the warnings of an interface that still count.
func (w *warnings) of(iface string, now time.Time) (texts []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, x := range w.all[iface] {
		if now.Sub(x.at) < warningTime {
			texts = append(texts, x.text)
		}
	}
	return texts
}

// NetworkWarning puts what goes wrong on a network on the timeline of each boot
// under way there, and of those that begin in the next minutes.
func (s *Service) NetworkWarning(iface, text string) {
	now := s.now()
	s.warnings.add(iface, text, now)
	for _, a := range s.attempts.underWay(iface, now) {
		s.warn(a, text)
	}
}

func (s *Service) warn(a *attempt, text string) {
	s.sayOnce(a, recorder.Event{Level: recorder.Warn, Text: "on its network: " + text})
}

// warned tells a, whose firmware has just asked, of what goes wrong there.
func (s *Service) warned(a *attempt, iface string) {
	for _, text := range s.warnings.of(iface, s.now()) {
		s.warn(a, text)
	}
}

// underWay returns the attempts on an interface whose machines are not yet
// running, and were heard of lately.
func (as *attempts) underWay(iface string, now time.Time) (all []*attempt) {
	as.mu.Lock()
	defer as.mu.Unlock()
	for _, a := range as.m {
		if a.iface == iface && recorder.StageRunning.After(a.stage) && now.Sub(a.active) < stale {
			all = append(all, a)
		}
	}
	return all
}
