package iscsi

import (
	"bytes"
	"slices"
	"sync"
	"testing"
	"time"

	"bootes.dev/internal/iscsi/pdu"
)

type recordedEvents struct {
	mu   sync.Mutex
	list []Event
	slow []SlowIO
}

func (r *recordedEvents) SessionEvent(e Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = append(r.list, e)
}

// ended is how many sessions have ended for that reason.
func (r *recordedEvents) ended(reason string) (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.list {
		if e.Kind == Ended && e.Reason == reason {
			n++
		}
	}
	return n
}

func (r *recordedEvents) of(kind EventKind) (list []Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.list {
		if e.Kind == kind {
			list = append(list, e)
		}
	}
	return list
}

func (r *recordedEvents) SlowIO(o SlowIO) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.slow = append(r.slow, o)
}

func (r *recordedEvents) kinds(user string) []EventKind {
	r.mu.Lock()
	defer r.mu.Unlock()
	var kinds []EventKind
	for _, e := range r.list {
		if e.Session.User == user {
			kinds = append(kinds, e.Kind)
		}
	}
	return kinds
}

func (i *initiator) as(user, secret string, isid byte) *initiator {
	i.user, i.secret, i.isid[5] = user, secret, isid
	return i
}

// A login of the next boot ends the sessions of the last one, and the disk is
// opened for it only when their writes have returned.
func TestFence(t *testing.T) {
	disk := newMemory(1 << 20)
	disk.gate = make(chan struct{})
	a := newAuthority(disk)
	events := new(recordedEvents)
	a.onOpen = func(owner string) {
		if n := disk.busy.Load(); n != 0 {
			t.Errorf("opened for %s with %d writes under way", owner, n)
		}
	}
	s, addr := serve(t, Options{Authority: a, Events: events})

	old := dial(t, addr).ipxe().login()
	kernel := dial(t, addr).as(testUser, testSecret, 9).login() // same owner: coexists
	kernel.command(pdu.SCSICommand{Final: true, Write: true, Expected: 512}, bytes.Repeat([]byte{1}, 512), writeCDB(0, 1)...)
	eventually(t, "a write is under way", func() bool { return disk.busy.Load() == 1 })
	old.expectEnd() // firmware's, once the system has written
	eventually(t, "firmware's session is gone", func() bool { return len(s.Sessions()) == 1 })

	loggedIn := make(chan Status, 1)
	next := dial(t, addr).as("pc1-next", "another secret 1", 7)
	go func() {
		status, _ := next.tryLogin()
		loggedIn <- status
	}()
	kernel.expectEnd()
	select {
	case status := <-loggedIn:
		t.Fatalf("login ended with %04x while a write was under way", status)
	case <-time.After(50 * time.Millisecond):
	}
	disk.gate <- struct{}{}
	if status := <-loggedIn; status != StatusSuccess {
		t.Fatalf("login of the next boot: %04x", status)
	}
	opened, closed, _ := a.lists()
	if !slices.Equal(opened, []string{testUser, "pc1-next"}) || !slices.Equal(closed, []string{testUser}) {
		t.Errorf("opened %q, closed %q", opened, closed)
	}
	list := s.Sessions()
	if len(list) != 1 || list[0].Owner != "pc1-next" {
		t.Errorf("sessions %+v", list)
	}
	want := []EventKind{LoggedIn, HandedOver, FirstWrite, Fenced}
	eventually(t, "two sessions ended", func() bool {
		n := 0
		for _, k := range events.kinds(testUser) {
			if k == Ended {
				n++
			}
		}
		return n == 2
	})
	got := events.kinds(testUser)
	for _, k := range want {
		if !slices.Contains(got, k) {
			t.Errorf("no event %q in %v", k, got)
		}
	}
	go func() { disk.gate <- struct{}{} }()
	if r := next.write10(0, bytes.Repeat([]byte{2}, 512)); r.Status != 0 {
		t.Errorf("write of the next boot: %+v", r)
	}
}

// While the old write does not return, the newer login is refused in time and
// the disk stays closed to it.
func TestFenceTimeout(t *testing.T) {
	disk := newMemory(1 << 20)
	disk.gate = make(chan struct{})
	a := newAuthority(disk)
	_, addr := serve(t, Options{Authority: a, LoginTimeout: 200 * time.Millisecond})
	old := dial(t, addr).login()
	old.command(pdu.SCSICommand{Final: true, Write: true, Expected: 512}, make([]byte, 512), writeCDB(0, 1)...)
	eventually(t, "a write is under way", func() bool { return disk.busy.Load() == 1 })
	next := dial(t, addr).as("pc1-next", "another secret 1", 7)
	if status, _ := next.tryLogin(); status != StatusUnavailable {
		t.Errorf("status %04x", status)
	}
	if opened, _, _ := a.lists(); len(opened) != 1 {
		t.Errorf("opened %q", opened)
	}
	close(disk.gate)
	eventually(t, "the next boot gets in", func() bool {
		status, _ := dial(t, addr).as("pc1-next", "another secret 1", 7).tryLogin()
		return status == StatusSuccess
	})
}

// A stranger's login leaves running sessions alone, and so does a stranger
// who knows the victim's initiator name and ISID.
func TestStrangerDisturbsNobody(t *testing.T) {
	_, addr := serve(t, Options{Authority: newAuthority(newMemory(1 << 20))})
	running := dial(t, addr).login()
	for range 3 {
		stranger := dial(t, addr)
		stranger.secret = "guess"
		if status, _ := stranger.tryLogin(); status != StatusAuthFailure {
			t.Fatalf("status %04x", status)
		}
	}
	if got := running.read10(0, 1); len(got) != 512 {
		t.Errorf("read %d bytes", len(got))
	}
}

// The same initiator and ISID again: session reinstatement. The units stay
// open, they are the owner's.
func TestReinstatement(t *testing.T) {
	a := newAuthority(newMemory(1 << 20))
	s, addr := serve(t, Options{Authority: a})
	old := dial(t, addr).login()
	again := dial(t, addr).login()
	old.expectEnd()
	again.read10(0, 1)
	if n := len(s.Sessions()); n != 1 {
		t.Errorf("%d sessions", n)
	}
	if opened, closed, _ := a.lists(); len(opened) != 1 || len(closed) != 0 {
		t.Errorf("opened %q, closed %q", opened, closed)
	}
}

func TestUnitsCloseWithLastSession(t *testing.T) {
	a := newAuthority(newMemory(1 << 20))
	s, addr := serve(t, Options{Authority: a})
	one, two := dial(t, addr).login(), dial(t, addr).as(testUser, testSecret, 2).login()
	one.conn.Close()
	eventually(t, "one session", func() bool { return len(s.Sessions()) == 1 })
	if _, closed, _ := a.lists(); len(closed) != 0 {
		t.Error("closed under a running session")
	}
	two.conn.Close()
	eventually(t, "closed", func() bool { _, closed, _ := a.lists(); return len(closed) == 1 })
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.targets) != 0 || s.count != 0 {
		t.Errorf("%d targets and %d sessions are left", len(s.targets), s.count)
	}
}

func TestMaxSessions(t *testing.T) {
	_, addr := serve(t, Options{Authority: newAuthority(newMemory(1 << 20)), MaxSessions: 1})
	dial(t, addr).login()
	if status, _ := dial(t, addr).as(testUser, testSecret, 2).tryLogin(); status != StatusOutOfResources {
		t.Errorf("status %04x", status)
	}
}
