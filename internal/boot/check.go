package boot

import (
	"context"
	"fmt"
	"sync"
	"time"

	"bootes.dev/internal/diagnose"
	"bootes.dev/internal/recorder"
)

// Blocks that have changed on the server's disk give no error when they are read:
// hashes alone show it. So the image of a boot that stopped where damage would stop
// it is compared with them, one image at a time, and boots that stand still are
// told what was found.

const (
	checkAgain = time.Hour // for how long the last check of a layer counts
	maxChecks  = 64        // layers that wait, or were checked lately
	// suspects is how many boots in a row must have come equally far for their image
	// to be checked: one that is replaced may have been reset by a person.
	suspects = 2
)

// checked is what is known of a layer.
type checked struct {
	begun  time.Time
	over   bool
	sound  bool   // it is as it was made
	damage string // what is not
}

// checks are of the layers of images. The zero value has none, and no queue.
type checks struct {
	mu    sync.Mutex
	of    map[string]checked
	queue chan string
}

func newChecks() checks { return checks{of: map[string]checked{}, queue: make(chan string, maxChecks)} }

// add has a layer checked, unless it waits for that or was checked within again.
func (k *checks) add(layer string, now time.Time, again time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for l, c := range k.of {
		if c.over && now.Sub(c.begun) >= again {
			delete(k.of, l)
		}
	}
	if _, lately := k.of[layer]; lately || len(k.of) >= maxChecks {
		return
	}
	k.of[layer] = checked{begun: now}
	k.queue <- layer // has room: what it holds is in of
}

func (k *checks) end(layer, damage string, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	c := k.of[layer]
	c.over, c.sound, c.damage = true, damage == "" && err == nil, damage
	k.of[layer] = c
}

func (k *checks) get(layer string) checked {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.of[layer]
}

// suspect has the image of a checked if a stopped, as c says, where damage would
// stop it.
func (s *Service) suspect(a *attempt, c diagnose.Case) {
	layer := ""
	s.attempts.with(a, func() { layer = a.layer })
	if s.Check != nil && layer != "" && c.Stage.After(recorder.StageLogin) && !c.System.LoggedOut {
		s.checks.add(layer, time.Now(), s.checkAgain)
	}
}

// CheckImages checks the images of boots that stop, until ctx ends.
func (s *Service) CheckImages(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case layer := <-s.checks.queue:
			damage, err := s.Check(ctx, layer)
			s.checks.end(layer, damage, err)
			switch {
			case err == nil:
				s.tellChecked(layer, damage)
			case ctx.Err() == nil:
				s.Log.Warn("image of a boot that stopped could not be checked", "layer", layer, "err", err)
			}
		}
	}
}

// tellChecked tells the boots that stand still what was found of their image.
func (s *Service) tellChecked(layer, damage string) {
	for _, a := range s.attempts.still(layer) {
		if damage != "" {
			s.settle(a, &a.watch.due.failing)
			continue
		}
		image := ""
		s.attempts.with(a, func() { image = a.seen.Disk.Image })
		s.say(a, recorder.Event{Text: fmt.Sprintf("image %s was compared with its hashes: nothing has changed since it was made; a mistake that was in it then is not excluded", image)})
	}
}

// still are the attempts from a layer that were told to have stopped, or to be
// silent.
func (as *attempts) still(layer string) (all []*attempt) {
	as.mu.Lock()
	defer as.mu.Unlock()
	for _, a := range as.m {
		if a.layer == layer && (a.watch.told != "" || a.silent) {
			all = append(all, a)
		}
	}
	return all
}
