package iscsi

import (
	"fmt"
	"net/netip"
	"testing"
	"time"
)

func TestGuesses(t *testing.T) {
	a, b := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")
	six, beside := netip.MustParseAddr("fd00::1"), netip.MustParseAddr("fd00::2")
	second := int64(time.Second)
	var g guesses
	for n, c := range []struct {
		from    netip.Addr
		account string
		at      int64
		want    int
	}{
		{a, "pc1", 0, 0}, {a, "pc1", second, 1}, {a, "pc2", 2 * second, 2}, // one address, whatever the account
		{b, "pc1", 3 * second, 2}, // one account, from everywhere
		{b, "", 4 * second, 1},    // nobody was named
		{a, "pc3", 5 * second, 3}, {a, "pc3", 6 * second, 3},
		{a, "pc3", 6*second + int64(guessMemory), 3},
		{a, "pc3", 8*second + 2*int64(guessMemory), 0},
		{six, "", second, 0}, {beside, "", second, 1}, // the /64 of one machine
	} {
		if got := g.fail(c.from, c.account, c.at); got != c.want {
			t.Errorf("%d: %s as %q: %d doublings, want %d", n, c.from, c.account, got, c.want)
		}
	}
	g.succeed("pc1")
	if got := g.fail(netip.MustParseAddr("10.0.0.3"), "pc1", 7*second); got != 0 {
		t.Errorf("after a success: %d doublings", got)
	}
}

// However many names and addresses fail, memory is bounded, and who failed
// last is remembered.
func TestGuessersAreBounded(t *testing.T) {
	var g guesses
	for n := range maxGuessers + 100 {
		g.fail(netip.AddrFrom4([4]byte{10, 0, byte(n >> 8), byte(n)}), fmt.Sprint(n), int64(n))
	}
	if len(g.address) != maxGuessers || len(g.accounts) != maxGuessers {
		t.Errorf("%d addresses, %d accounts", len(g.address), len(g.accounts))
	}
	n := maxGuessers + 99
	if got := g.fail(netip.AddrFrom4([4]byte{10, 0, byte(n >> 8), byte(n)}), "", int64(n)); got != 1 {
		t.Errorf("the last one has %d doublings", got)
	}
}

// Each wrong secret is answered later than the one before; the right one at
// once, from the same address and for the same account.
func TestGuessingIsSlowed(t *testing.T) {
	const delay = 40 * time.Millisecond
	_, addr := serve(t, Options{Authority: newAuthority(newMemory(1 << 20)), RefusalDelay: delay})
	for _, want := range []time.Duration{delay, 2 * delay, 4 * delay, 8 * delay, 8 * delay} {
		i := dial(t, addr)
		i.secret = "a guess"
		start := time.Now()
		if status, _ := i.tryLogin(); status != StatusAuthFailure {
			t.Fatalf("status %04x", status)
		}
		if took := time.Since(start); took < want || took > want+2*time.Second {
			t.Errorf("refused after %v, want %v", took, want)
		}
	}
	start := time.Now()
	dial(t, addr).login()
	if took := time.Since(start); took > 8*delay {
		t.Errorf("the rightful machine was let in after %v", took)
	}
}
