package boot

import (
	"slices"
	"time"
)

// maxCards is how many network cards one attempt may be seen by: more than any
// computer tries.
const maxCards = 8

// seen notes that a was seen by a card, as what it is there.
func (as *attempts) seen(a *attempt, card string, set func()) {
	as.mu.Lock()
	defer as.mu.Unlock()
	a.mac = card
	set()
	if as.m[a.subject] != a {
		return // dropped meanwhile
	}
	if !slices.Contains(a.cards, card) {
		if len(a.cards) == maxCards {
			if as.cards[a.cards[0]] == a {
				delete(as.cards, a.cards[0])
			}
			a.cards = a.cards[1:]
		}
		a.cards = append(a.cards, card)
	}
	if as.cards == nil {
		as.cards = map[string]*attempt{}
	}
	as.cards[card] = a
}

// byCard returns the newest attempt that a network card was seen in, or nil.
func (as *attempts) byCard(card string) *attempt {
	as.mu.Lock()
	defer as.mu.Unlock()
	return as.cards[card]
}

// part ends the attempt of a subject that another computer has made: two that
// are taken for one machine must not share a boot, which would let both write to
// its disk. It reports false if that one has begun just now.
func (as *attempts) part(subject, card string, byHardware bool, now time.Time) bool {
	as.mu.Lock()
	defer as.mu.Unlock()
	a := as.m[subject]
	if a == nil || slices.Contains(a.cards, card) || !byHardware && !a.byHardware {
		return true
	}
	if now.Sub(a.opened) < soonest {
		return false
	}
	as.drop(a)
	return true
}
