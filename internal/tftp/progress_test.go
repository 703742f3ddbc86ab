package tftp

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opening := make(chan struct{})
		s := serveBytes(noise(1200))
		open := s.Open
		s.Open = func(ctx context.Context, r Request) (File, error) { <-opening; return open(ctx, r) }
		b := newBench(t, s)
		began := time.Now()
		want := func(n int, done int64) {
			t.Helper()
			synctest.Wait()
			all := s.UnderWay()
			if len(all) != n {
				t.Fatalf("%d transfers, want %d: %+v", len(all), n, all)
			}
			if n > 0 && (all[0].Name != "f" || all[0].Client != clientPort(70) || !all[0].Began.Equal(began) || all[0].Done != done || all[0].Size != 1200) {
				t.Errorf("%+v, want %d bytes done", all[0], done)
			}
		}
		b.ask("f")
		want(0, 0)
		close(opening)
		want(1, 0)
		for i, done := range []int64{512, 1024} {
			b.next(time.Second)
			b.ack(uint16(i + 1))
			want(1, done)
		}
		b.next(time.Second)
		b.next(10 * time.Second)
		if n := s.UnderWay()[0].Resent; n != 1 {
			t.Errorf("%d packets sent again, want 1", n)
		}
		b.ack(3)
		<-b.done
		want(0, 0)
	})
}
