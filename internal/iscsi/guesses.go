package iscsi

import (
	"net/netip"
	"sync"
	"time"
)

const (
	// guessMemory is how long after its last failed authentication an address or
	// an account is treated as one that is guessing.
	guessMemory = 10 * time.Minute
	// maxGuessers of each kind are remembered; those who failed longest ago are
	// forgotten first.
	maxGuessers = 4096
	// maxDoublings keeps a refusal within what initiators wait for a login, which
	// is 15 s with open-iscsi: they are to be told what is wrong.
	maxDoublings = 3
)

// guesses slows down those who fail to authenticate: each refusal comes later
// than the one before, up to 8 times Options.RefusalDelay, counted for the
// address and for the account, so that neither many accounts nor many addresses
// help. Whoever knows the secret is not slowed, whatever others have tried.
type guesses struct {
	mu       sync.Mutex
	address  map[netip.Addr]guesser
	accounts map[string]guesser
}

type guesser struct {
	failed int
	last   int64 // as Server.now
}

// fail counts a failed authentication and returns by how much to double the
// delay of its refusal.
func (g *guesses) fail(from netip.Addr, account string, now int64) (doublings int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.address == nil {
		g.address, g.accounts = make(map[netip.Addr]guesser), make(map[string]guesser)
	}
	n := count(g.address, network(from), now)
	if account != "" {
		n = max(n, count(g.accounts, account, now))
	}
	return min(n-1, maxDoublings)
}

// succeed forgives the failures of an account. Those of the address stay: else
// one account of his own would let somebody guess all others'.
func (g *guesses) succeed(account string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.accounts, account)
}

func count[K comparable](m map[K]guesser, key K, now int64) int {
	e, known := m[key]
	if now-e.last > int64(guessMemory) {
		e.failed = 0
	}
	if !known && len(m) >= maxGuessers {
		forgetOldest(m)
	}
	e.failed, e.last = e.failed+1, now
	m[key] = e
	return e.failed
}

func forgetOldest[K comparable](m map[K]guesser) {
	var oldest K
	last := int64(-1)
	for k, e := range m {
		if last < 0 || e.last < last {
			oldest, last = k, e.last
		}
	}
	delete(m, oldest)
}

// network is the address of IPv4, and of IPv6 the /64 that one machine may have
// to itself.
func network(a netip.Addr) netip.Addr {
	if a.Is4() || a.Is4In6() {
		return a.Unmap()
	}
	p, err := a.WithZone("").Prefix(64)
	if err != nil {
		return a
	}
	return p.Addr()
}
