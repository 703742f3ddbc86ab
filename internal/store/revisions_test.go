package store

import (
	"testing"
	"time"
)

func TestRevision(t *testing.T) {
	o, _ := testOptions(t)
	s := openStore(t, o)
	c := Of[thing](s, "things")
	if got := c.Revision(); got != 0 {
		t.Errorf("revision %d before the first change, want 0", got)
	}
	for n := range 2 {
		before := c.Revision()
		put(t, c, "k", n)
		r, err := c.Get(t.Context(), "k")
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Revision(); got != r.Revision || got <= before {
			t.Errorf("revision %d, want %d, and more than %d", got, r.Revision, before)
		}
	}
	put(t, Of[thing](s, "others"), "k", 1)
	last := c.Revision()
	remove(t, c, "k")
	if got := c.Revision(); got <= last+1 {
		t.Errorf("revision %d after a removal, want more than %d", got, last+1)
	}
	last = c.Revision()
	closeStore(t, s)
	if got := Of[thing](openStore(t, o), "things").Revision(); got != last {
		t.Errorf("revision %d after a restart, want %d", got, last)
	}
}

// TestRevisionOfForeignChange: what etcdctl writes, or what was written though
// its writer had no answer, is noticed within a poll.
func TestRevisionOfForeignChange(t *testing.T) {
	o, _ := testOptions(t)
	o.Poll = 5 * time.Millisecond
	s := openStore(t, o)
	c := Of[thing](s, "things")
	r, err := s.client.Put(t.Context(), c.gen, "")
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the revision is known", func() bool { return c.Revision() == r.Header.Revision })
}
