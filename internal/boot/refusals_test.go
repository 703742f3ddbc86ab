package boot

import (
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A refusal is recorded at once, what repeats it once a minute as a number, and
// after a minute of quiet it is new again.
func TestRefusalsAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r refusals
		defer r.close()
		start := time.Now()
		var mu sync.Mutex
		var said []string
		say := func(format string, args ...any) {
			mu.Lock()
			defer mu.Unlock()
			said = append(said, fmt.Sprintf("%4.0fs ", time.Since(start).Seconds())+fmt.Sprintf(format, args...))
		}
		what := refusal{"iqn.x:a", "iqn.x:pc1", "wrong secret"}
		try := func(what refusal) {
			if r.first(what, addr1, func(more int) { say("%s %d more", what.reason, more) }) {
				say("%s", what.reason)
			}
		}
		try(what)
		time.Sleep(time.Second / 2)
		for range 89 { // for a minute and a half
			try(what)
			time.Sleep(time.Second)
		}
		try(refusal{"iqn.x:a", "iqn.x:pc1", "no CHAP"})
		time.Sleep(3 * time.Minute)
		try(what)
		time.Sleep(2 * time.Minute)
		want := []string{"   0s wrong secret", "  60s wrong secret 60 more", "  90s no CHAP", " 120s wrong secret 29 more", " 270s wrong secret"}
		synctest.Wait()
		if !reflect.DeepEqual(said, want) {
			t.Errorf("said\n%s\nwant\n%s", strings.Join(said, "\n"), strings.Join(want, "\n"))
		}
		if len(r.kinds) != 0 || len(r.from) != 0 {
			t.Errorf("left: %v %v", r.kinds, r.from)
		}
	})
}

// Whoever changes names all the time is recorded a few times, and takes no
// other's place.
func TestRefusalsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r refusals
		defer r.close()
		var mu sync.Mutex
		said := map[netip.Addr]int{}
		try := func(n int, from netip.Addr) {
			say := func(n int) {
				mu.Lock()
				defer mu.Unlock()
				said[from] += n
			}
			if r.first(refusal{fmt.Sprint("iqn.x:", n), "iqn.x:pc1", "no account"}, from, say) {
				say(1)
			}
		}
		for n := range 2 * maxRefusals {
			try(n, addr1)
		}
		try(-1, addr2)
		mu.Lock()
		if want := map[netip.Addr]int{addr1: maxKinds + 1, addr2: 1}; !reflect.DeepEqual(said, want) {
			t.Errorf("recorded %v, want %v", said, want)
		}
		mu.Unlock()
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		if said[addr1] != 2*maxRefusals || len(r.kinds) != 0 {
			t.Errorf("%d of %d counted, %d left", said[addr1], 2*maxRefusals, len(r.kinds))
		}
	})
}

func TestRepeatedRefusalInTheTimeline(t *testing.T) {
	h := newHouse(t)
	in := Initiator{Name: "iqn.x:a", Target: prefix + ":pc1", Remote: addr2}
	h.LoginRefused(in, "pc1-7", "wrong CHAP secret")
	h.LoginRefused(in, "pc1-7", "wrong CHAP secret")
	h.recordRefusal(in, "pc1-7", "pc1", "refused 12 more times within a minute: wrong CHAP secret")
	var texts []string
	for _, e := range h.Recorder.Boots("pc1")[0].Events {
		texts = append(texts, e.Text)
	}
	want := []string{
		"login of iqn.x:a from 10.77.0.102 refused: wrong CHAP secret",
		"login of iqn.x:a from 10.77.0.102 refused 12 more times within a minute: wrong CHAP secret",
	}
	if !reflect.DeepEqual(texts, want) {
		t.Errorf("%q", texts)
	}
}
