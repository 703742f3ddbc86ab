package lab

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestLongWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &LongWay{Delay: 200 * time.Millisecond}
		start := time.Now()
		var got []byte
		var at []time.Duration
		for i := range byte(3) {
			w.Frame(Direction(i%2), []byte{i}, func(frame []byte) {
				got, at = append(got, frame...), append(at, time.Since(start))
			})
			time.Sleep(50 * time.Millisecond)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if string(got) != "\x00\x01\x02" || at[0] != 200*time.Millisecond || at[2] != 300*time.Millisecond {
			t.Errorf("%v after %v", got, at)
		}
	})
}

func TestNarrowLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &NarrowLink{BytesPerSecond: 1000, Queue: 300 * time.Millisecond}
		start := time.Now()
		var at []time.Duration
		for range 5 {
			l.Frame(ToGuest, make([]byte, 100), func([]byte) { at = append(at, time.Since(start)) })
		}
		l.Frame(FromGuest, make([]byte, 100), func([]byte) {})
		time.Sleep(time.Second)
		synctest.Wait()
		if len(at) != 4 || at[0] != 100*time.Millisecond || at[3] != 400*time.Millisecond {
			t.Errorf("frames after %v", at)
		}
	})
}
