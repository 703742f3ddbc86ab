package lab

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// passed sends frames through and returns what came out, in order, with the
// time that each took.
func passed(e *Netem, dir Direction, frames int) (order []byte, took map[byte]time.Duration) {
	took = map[byte]time.Duration{}
	for i := range frames {
		sent := time.Now()
		e.Frame(dir, []byte{byte(i)}, func(f []byte) {
			order = append(order, f[0])
			took[f[0]] = time.Since(sent)
		})
		time.Sleep(time.Millisecond)
	}
	time.Sleep(time.Second)
	synctest.Wait()
	return order, took
}

func TestNetem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		order, took := passed(&Netem{Delay: 5 * time.Millisecond}, ToGuest, 100)
		for i, b := range order {
			if int(b) != i || took[b] != 5*time.Millisecond {
				t.Fatalf("frame %d is number %d after %s", b, i, took[b])
			}
		}
		e := &Netem{Loss: 0.2, Reorder: 0.1, Delay: 5500 * time.Microsecond, Seed: 7}
		order, _ = passed(e, FromGuest, 200)
		c := e.Count(FromGuest)
		if c.Frames != 200 || c.Lost < 20 || c.Lost > 60 || len(order) != 200-c.Lost || c.Overtook < 5 || c.Overtook > 40 {
			t.Errorf("%+v, %d came out", c, len(order))
		}
		overtook := 0
		for i := range order[1:] {
			if order[i+1] < order[i] {
				overtook++
			}
		}
		if overtook == 0 {
			t.Error("all came in order")
		}
		again, _ := passed(&Netem{Loss: 0.2, Reorder: 0.1, Delay: 5500 * time.Microsecond, Seed: 7}, FromGuest, 200)
		if fmt.Sprint(again) != fmt.Sprint(order) {
			t.Error("the same seed did something else")
		}
		if other, _ := passed(e, ToGuest, 200); fmt.Sprint(other) == fmt.Sprint(order) {
			t.Error("both directions suffer alike")
		}
	})
}
