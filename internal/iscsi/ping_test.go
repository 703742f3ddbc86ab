package iscsi

import (
	"bufio"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bootes.dev/internal/iscsi/pdu"
)

// piped is a session over a pipe, in full feature phase.
func piped(t *testing.T, o Options, change func(*session)) (*session, *initiator) {
	o.Authority = newAuthority(newMemory(1 << 20))
	srv := New(o)
	ours, theirs := net.Pipe()
	s := newSession(srv, ours)
	s.info.ISID = [6]byte{0x80}
	s.target = &target{srv: srv, busy: make(chan struct{}, 1), sessions: map[*session]bool{s: true}, refs: 1}
	s.hold = srv.newHolding("pipe", newAuthority(newMemory(64<<10)).open("pipe"))
	s.nexus = s.hold.device.Join(sessionInitiator(s))
	s.target.hold = s.hold
	srv.count = 1
	p := defaultParams()
	if change != nil {
		change(s)
	}
	s.start(&p, &framer{r: bufio.NewReader(strings.NewReader(""))}, 0, 100)
	i := newInitiator(t, theirs)
	i.loggedIn = true
	return s, i
}

// Who is silent is pinged, and who stays silent is gone after a while; who
// answers, or does anything else, stays.
func TestPing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, i := piped(t, Options{}, nil)
		ended := make(chan struct{})
		start := time.Now()
		go func() { s.run(); close(ended) }()
		for range 20 {
			var p pdu.NopIn
			if i.expect(&p); p.ITT != pdu.NoTag || p.TTT == pdu.NoTag || p.StatSN != 0 {
				t.Fatalf("ping %+v", p)
			}
			i.send(&pdu.NopOut{Immediate: true, ITT: pdu.NoTag, TTT: p.TTT, LUN: p.LUN, CmdSN: i.cmdSN}, nil)
		}
		if took := time.Since(start); took > time.Hour {
			t.Errorf("20 pings in %v", took)
		}
		begin := time.Now()
		i.expect(&pdu.NopIn{})
		i.expectEnd()
		if took := time.Since(begin); took < 2*time.Minute || took > 4*time.Minute {
			t.Errorf("ended after %v of silence", took)
		}
		<-ended
	})
}

// A ping that is not answered is told of once, and again when it is over.
func TestSilenceIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		events := &recordedEvents{}
		s, i := piped(t, Options{Events: events, PingInterval: 30 * time.Second}, nil)
		ended := make(chan struct{})
		go func() { s.run(); close(ended) }()
		i.expect(&pdu.NopIn{})
		time.Sleep(29 * time.Second)
		if told := events.of(FellSilent); len(told) != 0 {
			t.Errorf("told before a ping went unanswered: %+v", told)
		}
		time.Sleep(40 * time.Second)
		synctest.Wait()
		if told := events.of(FellSilent); len(told) != 1 || told[0].Silent != time.Minute || told[0].Unanswered != 30*time.Second {
			t.Errorf("told %+v", told)
		}
		i.testUnitReady(0)
		i.expectGood()
		time.Sleep(31 * time.Second)
		synctest.Wait()
		if told := events.of(HeardAgain); len(told) != 1 {
			t.Errorf("heard again: %+v", told)
		}
		i.conn.Close()
		<-ended
	})
}

// Firmware is never pinged: it stands in a menu for hours.
func TestNoPingForFirmware(t *testing.T) {
	for name, change := range map[string]func(*session){
		"iPXE": func(s *session) { copy(s.info.ISID[:], fenSystems) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, i := piped(t, Options{}, change)
				ended := make(chan struct{})
				go func() { s.run(); close(ended) }()
				time.Sleep(24 * time.Hour)
				i.testUnitReady(0)
				i.expectGood() // and nothing before it
				i.conn.Close()
				<-ended
			})
		})
	}
}

// At the end of the server an initiator is asked to log out, and has its time.
func TestDismiss(t *testing.T) {
	for _, logsOut := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			s, i := piped(t, Options{LogoutTime: 3 * time.Second}, nil)
			ended := make(chan struct{})
			go func() { s.run(); close(ended) }()
			start := time.Now()
			go s.dismiss()
			var m pdu.AsyncMessage
			if i.expect(&m); m.Event != pdu.AsyncLogout || m.Parameter3 != 3 {
				t.Errorf("async message %+v", m)
			}
			if logsOut {
				i.send(&pdu.LogoutRequest{Immediate: true, Reason: pdu.LogoutSession, ITT: 7, CmdSN: i.cmdSN}, nil)
				var l pdu.LogoutResponse
				if i.expect(&l); l.StatSN != m.StatSN+1 {
					t.Errorf("logout response %+v after %+v", l, m)
				}
			}
			i.expectEnd()
			<-ended
			if took := time.Since(start); logsOut != (took == 0) || took > 3*time.Second {
				t.Errorf("ended after %v", took)
			}
		})
	}
}

// iPXE is cut, with no word that it would not understand.
func TestDismissIPXE(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, i := piped(t, Options{}, func(s *session) { copy(s.info.ISID[:], fenSystems) })
		go s.dismiss()
		s.run()
		i.expectEnd()
	})
}

// The answer to a logout is sent although another answer is still on its way.
// libiscsi logs in again when it gets none, and does again what it had ended.
func TestLogoutIsAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, i := piped(t, Options{}, nil)
		ended := make(chan struct{})
		go func() { s.run(); close(ended) }()
		i.command(pdu.SCSICommand{Final: true, Write: true, Expected: 512}, make([]byte, 512), writeCDB(0, 1)...)
		synctest.Wait() // a worker is sending its response, which nobody takes yet
		i.send(&pdu.LogoutRequest{Immediate: true, Reason: pdu.LogoutSession, ITT: 7, CmdSN: i.cmdSN}, nil)
		synctest.Wait()
		i.expectGood()
		i.expect(&pdu.LogoutResponse{})
		i.expectEnd()
		<-ended
	})
}

func TestSNACK(t *testing.T) {
	i, _ := start(t, nil)
	head := make([]byte, pdu.HeaderSize)
	head[0] = byte(pdu.OpSNACK)
	if _, err := i.conn.Write(head); err != nil {
		t.Fatal(err)
	}
	var r pdu.Reject
	if i.expect(&r); r.Reason != pdu.RejectSNACK {
		t.Errorf("reject %+v", r)
	}
}

// A cold reset ends every session, after it was answered.
func TestColdReset(t *testing.T) {
	a := newAuthority(newMemory(1 << 20))
	_, addr := serve(t, Options{Authority: a})
	one, two := dial(t, addr).login(), dial(t, addr).as(testUser, testSecret, 2).login()
	one.manage(pdu.TaskRequest{Function: pdu.TaskTargetColdReset})
	var r pdu.TaskResponse
	if one.expect(&r); r.Response != pdu.TaskComplete {
		t.Errorf("response %+v", r)
	}
	one.expectEnd()
	two.expectEnd()
	eventually(t, "the units are closed", func() bool { _, closed, _ := a.lists(); return len(closed) == 1 })
}
