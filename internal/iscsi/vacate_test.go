package iscsi

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"bootes.dev/internal/iscsi/pdu"
)

func TestEndSessions(t *testing.T) {
	a := newAuthority(newMemory(1 << 20))
	s, addr := serve(t, Options{Authority: a})
	i := dial(t, addr).login()
	if err := s.EndSessions(context.Background(), testTarget, "volume removed"); err != nil {
		t.Fatal(err)
	}
	i.expectEnd()
	if _, closed, _ := a.lists(); len(closed) != 1 {
		t.Error("units are still open")
	}
	dial(t, addr).login()
}

// Nobody gets in between the end of the sessions and the removal; who tries is
// told at once to try again.
func TestVacate(t *testing.T) {
	disk := newMemory(1 << 20)
	disk.gate = make(chan struct{})
	a := newAuthority(disk)
	s, addr := serve(t, Options{Authority: a})
	i := dial(t, addr).login()
	i.command(pdu.SCSICommand{Final: true, Write: true, Expected: 512}, make([]byte, 512), writeCDB(0, 1)...)
	eventually(t, "a write is under way", func() bool { return disk.busy.Load() == 1 })
	vacated := make(chan func())
	go func() {
		release, err := s.Vacate(context.Background(), testTarget, "its volume is being removed")
		if err != nil {
			t.Error(err)
		}
		vacated <- release
	}()
	i.expectEnd()
	refused := func(when string) {
		t.Helper()
		begin := time.Now()
		if status, _ := dial(t, addr).tryLogin(); status != StatusUnavailable || time.Since(begin) > 5*time.Second {
			t.Errorf("%s: status %04x after %v", when, status, time.Since(begin))
		}
	}
	refused("while the write is under way")
	if _, closed, _ := a.lists(); len(closed) != 0 {
		t.Error("closed under a write")
	}
	disk.gate <- struct{}{}
	release := <-vacated
	if _, closed, _ := a.lists(); len(closed) != 1 {
		t.Error("units are still open")
	}
	eventually(t, "the refusal is told with its reason", func() bool {
		_, _, reasons := a.lists()
		return len(reasons) == 1 && strings.Contains(reasons[0], "being removed")
	})
	refused("once it is closed")
	release()
	release()
	dial(t, addr).login()
}

// Two who want the same target to themselves: it is free when both are done.
func TestVacateTwice(t *testing.T) {
	s, addr := serve(t, Options{Authority: newAuthority(newMemory(1 << 20))})
	var releases []func()
	for range 2 {
		release, err := s.Vacate(context.Background(), testTarget, "busy")
		if err != nil {
			t.Fatal(err)
		}
		releases = append(releases, release)
	}
	releases[0]()
	if status, _ := dial(t, addr).tryLogin(); status != StatusUnavailable {
		t.Errorf("status %04x", status)
	}
	releases[1]()
	dial(t, addr).login()
}

// A write that does not return keeps the units open; who waits for them is told.
func TestVacateTimeout(t *testing.T) {
	disk := newMemory(1 << 20)
	disk.gate = make(chan struct{})
	a := newAuthority(disk)
	s, addr := serve(t, Options{Authority: a})
	i := dial(t, addr).login()
	i.command(pdu.SCSICommand{Final: true, Write: true, Expected: 512}, make([]byte, 512), writeCDB(0, 1)...)
	eventually(t, "a write is under way", func() bool { return disk.busy.Load() == 1 })
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	var refusal *Refusal
	if _, err := s.Vacate(ctx, testTarget, "removed"); !errors.As(err, &refusal) {
		t.Errorf("got %v", err)
	}
	close(disk.gate)
	eventually(t, "the units are closed", func() bool { _, closed, _ := a.lists(); return len(closed) == 1 })
	dial(t, addr).login()
}

// Logins and removals at once: each removal finds the units closed, and
// nothing is left behind.
func TestVacateRace(t *testing.T) {
	a := newAuthority(newMemory(1 << 20))
	s, addr := serve(t, Options{Authority: a})
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for k := range byte(3) {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				i := dial(t, addr).as(testUser, testSecret, k)
				if status, _ := i.tryLogin(); status == StatusSuccess {
					i.receive() // until it is ended
				}
				i.conn.Close()
			}
		})
	}
	for range 100 {
		release, err := s.Vacate(context.Background(), testTarget, "removed")
		if err != nil {
			t.Fatal(err)
		}
		if opened, closed, _ := a.lists(); len(opened) != len(closed) {
			t.Fatalf("opened %d times, closed %d times", len(opened), len(closed))
		}
		release()
	}
	close(stop)
	_ = s.EndSessions(context.Background(), testTarget, "the test ends")
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	for {
		select {
		case <-done:
			eventually(t, "nothing is left", func() bool {
				s.mu.Lock()
				defer s.mu.Unlock()
				return len(s.targets) == 0 && s.count == 0
			})
			return
		case <-time.After(10 * time.Millisecond):
			_ = s.EndSessions(context.Background(), testTarget, "the test ends")
		}
	}
}
