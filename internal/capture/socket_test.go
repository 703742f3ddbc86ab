package capture

import (
	"testing"
	"time"
)

// Of a flood only so many packets are read in a moment.
func TestPacer(t *testing.T) {
	at := start
	p := pacer{now: func() time.Time { return at }}
	read := 0
	for at.Before(start.Add(time.Second)) {
		read++
		rest := p.rest()
		at = at.Add(rest + time.Microsecond)
	}
	if most := 11 * pacePlace; read > most || read < 9*pacePlace {
		t.Errorf("%d packets read in a second", read)
	}
	// What comes slower is not held up.
	for range 10 * pacePlace {
		at = at.Add(paceTime / pacePlace * 2)
		if rest := p.rest(); rest > 0 {
			t.Fatalf("waits %s", rest)
		}
	}
}
