package iscsi

import (
	"bytes"
	"testing"

	"bootes.dev/internal/iscsi/pdu"
)

// A second connection is refused with the status that says why (RFC 7143,
// 6.3.1 and 11.13.5), and only to who has authenticated.
func TestSecondConnection(t *testing.T) {
	s, addr := serve(t, Options{Authority: newAuthority(newMemory(1 << 20))})
	first := dial(t, addr).login()
	tsih := s.Sessions()[0].TSIH
	for _, c := range []struct {
		name   string
		tsih   uint16
		change func(*initiator)
		want   Status
	}{
		{"to the session", tsih, func(*initiator) {}, StatusTooManyConnections},
		{"to no session", tsih + 1, func(*initiator) {}, StatusNoSession},
		{"another ISID", tsih, func(i *initiator) { i.isid[5]++ }, StatusNoSession},
		{"another initiator", tsih, func(i *initiator) { i.name += "2" }, StatusNoSession},
		{"a stranger", tsih, func(i *initiator) { i.secret = "guess" }, StatusAuthFailure},
	} {
		i := dial(t, addr)
		i.tsih = c.tsih
		c.change(i)
		if got, _ := i.tryLogin(); got != c.want {
			t.Errorf("%s: status %04x, want %04x", c.name, got, c.want)
		}
	}
	first.read10(0, 1)
}

// What identifies the connection stays the same through its login.
func TestLoginOfAnotherConnection(t *testing.T) {
	for name, change := range map[string]func(*initiator, *pdu.LoginRequest){
		"ISID": func(i *initiator, _ *pdu.LoginRequest) { i.isid[0]++ },
		"TSIH": func(i *initiator, _ *pdu.LoginRequest) { i.tsih++ },
		"CID":  func(_ *initiator, r *pdu.LoginRequest) { r.CID = 1 },
	} {
		_, addr := serve(t, Options{Authority: newAuthority(newMemory(1 << 20))})
		i := dial(t, addr)
		i.exchange(pdu.LoginRequest{}, i.names()+"AuthMethod=CHAP\x00")
		var req pdu.LoginRequest
		change(i, &req)
		if r, _ := i.exchange(req, "CHAP_A=5\x00"); Status(r.Status) != StatusInvalidRequest {
			t.Errorf("another %s: status %04x", name, r.Status)
		}
	}
}

// text sends a text request and returns the answer.
func (i *initiator) text(req pdu.TextRequest, text string) (pdu.TextResponse, string) {
	i.t.Helper()
	req.Immediate, req.ITT, req.CmdSN, req.DataLength = true, 6, i.cmdSN, len(text)
	i.send(&req, []byte(text))
	var r pdu.TextResponse
	data := i.expect(&r)
	return r, string(data)
}

// SendTargets and the keys that may come after login (RFC 7143, appendix C and
// 13).
func TestTextKeys(t *testing.T) {
	for _, c := range []struct {
		session, text, want string // want TARGET: the target with its address
	}{
		{"Discovery", "SendTargets=All", "TARGET"},
		{"Discovery", "SendTargets=" + testTarget, "TARGET"},
		{"Discovery", "SendTargets=IQN.2026-01.dev.bootes:PC1", "TARGET"},
		{"Discovery", "SendTargets=iqn.other", ""},
		{"Discovery", "SendTargets=", "SendTargets=Reject\x00"},
		{"Normal", "SendTargets=All", "SendTargets=Reject\x00"},
		{"Normal", "SendTargets=", "TARGET"},
		{"Normal", "SendTargets=" + testTarget, "TARGET"},
		{"Normal", "SendTargets=iqn.other", ""},
		{"Normal", "MaxRecvDataSegmentLength=4096", ""},
		{"Normal", "MaxRecvDataSegmentLength=511", "MaxRecvDataSegmentLength=Reject\x00"},
		{"Normal", "HeaderDigest=CRC32C", "HeaderDigest=Reject\x00"},
		{"Normal", "MaxBurstLength=512", "MaxBurstLength=Reject\x00"},
		{"Normal", "X-com.example.key=1", "X-com.example.key=NotUnderstood\x00"},
		{"Normal", "InitiatorAlias=desk", ""},
	} {
		i, _ := start(t, func(i *initiator) { i.session = c.session })
		want := c.want
		if want == "TARGET" {
			want = "TargetName=" + testTarget + "\x00TargetAddress=" + i.conn.RemoteAddr().String() + ",1\x00"
		}
		if r, got := i.text(pdu.TextRequest{Final: true, TTT: pdu.NoTag}, c.text+"\x00"); got != want || !r.Final || r.TTT != pdu.NoTag {
			t.Errorf("%s session, %s: %q, %+v", c.session, c.text, got, r)
		}
	}
}

// A request that goes on is not answered as the last one (RFC 7143, 11.11.1),
// and one that cannot be is refused.
func TestTextFlags(t *testing.T) {
	i, _ := start(t, nil)
	r, got := i.text(pdu.TextRequest{TTT: pdu.NoTag}, "X-a=1\x00")
	if r.Final || r.TTT == pdu.NoTag || got != "X-a=NotUnderstood\x00" {
		t.Errorf("answer to F=0: %+v, %q", r, got)
	}
	if r, got = i.text(pdu.TextRequest{Final: true, TTT: r.TTT}, ""); !r.Final || r.TTT != pdu.NoTag || got != "" {
		t.Errorf("answer to its end: %+v, %q", r, got)
	}
	r, _ = i.text(pdu.TextRequest{Continue: true, TTT: pdu.NoTag}, "X-")
	if r.Final || r.Continue || r.TTT == pdu.NoTag {
		t.Errorf("answer to C=1: %+v", r)
	}
	if r, got = i.text(pdu.TextRequest{Final: true, TTT: r.TTT}, "b=1\x00"); !r.Final || got != "X-b=NotUnderstood\x00" {
		t.Errorf("answer to the rest: %+v, %q", r, got)
	}
	i.text(pdu.TextRequest{Continue: true, TTT: pdu.NoTag}, "X-") // and no more of it (RFC 7143, 11.10.4)
	if r, got = i.text(pdu.TextRequest{Final: true, TTT: pdu.NoTag}, "X-c=1\x00"); !r.Final || got != "X-c=NotUnderstood\x00" {
		t.Errorf("answer to a new request: %+v, %q", r, got)
	}
	for name, req := range map[string]pdu.TextRequest{
		"both F and C": {Immediate: true, Final: true, Continue: true, TTT: pdu.NoTag, CmdSN: i.cmdSN},
		"unknown TTT":  {Immediate: true, Final: true, TTT: 0x77, CmdSN: i.cmdSN},
	} {
		i.send(&req, nil)
		var reject pdu.Reject
		if i.expect(&reject); reject.Reason != pdu.RejectProtocolError {
			t.Errorf("%s: %+v", name, reject)
		}
	}
}

// Data-Out with a wrong digest is rejected, and fails its command when all its
// data has come (RFC 7143, 7.8): the session goes on.
func TestWrongDigestInDataOut(t *testing.T) {
	i, disk := start(t, func(i *initiator) {
		i.digests = true
		i.keys = "HeaderDigest=CRC32C\x00DataDigest=CRC32C\x00InitialR2T=Yes\x00ImmediateData=Yes\x00"
	})
	itt := i.command(pdu.SCSICommand{Final: true, Write: true, Expected: 1536}, nil, writeCDB(0, 3)...)
	var r2t pdu.R2T
	i.expect(&r2t)
	data := bytes.Repeat([]byte{1}, 512)
	for n := range uint32(3) {
		out := pdu.DataOut{Final: n == 2, DataLength: 512, ITT: itt, TTT: r2t.TTT, DataSN: n, Offset: n * 512}
		if n != 1 {
			i.send(&out, data)
			continue
		}
		b, _ := out.AppendBinary(nil)
		b = appendDigest(b, pdu.Digest(0).Add(b))
		b = append(append(b, data...), 1, 2, 3, 4)
		if _, err := i.conn.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	var reject pdu.Reject
	if head := i.expect(&reject); reject.Reason != pdu.RejectDataDigest || len(head) != pdu.HeaderSize || head[0] != 0x05 {
		t.Errorf("reject %+v with % x", reject, head)
	}
	i.expectSense(0xb, 0x47, 0x05)
	if got := i.write10(0, data); got.Status != 0 {
		t.Errorf("afterwards: %+v", got)
	}
	if disk.bytes(512, 513)[0] != 0 {
		t.Error("what came after the wrong data was written")
	}
}

// More immediate commands than are held at once are refused by that name, and
// what is refused gives its place in the window back.
func TestTooManyImmediateCommands(t *testing.T) {
	i, disk := start(t, nil)
	disk.gate = make(chan struct{})
	write := pdu.SCSICommand{Immediate: true, Final: true, Write: true, Expected: 512}
	for range maxTasks {
		i.command(write, make([]byte, 512), writeCDB(0, 1)...)
	}
	i.command(write, make([]byte, 512), writeCDB(0, 1)...)
	var r pdu.Reject
	if i.expect(&r); r.Reason != pdu.RejectTooManyImmediate {
		t.Errorf("reject %+v", r)
	}
	window := r.MaxCmdSN - r.ExpCmdSN
	write.Immediate = false
	i.itt = 0 // a tag that is in use
	i.command(write, make([]byte, 512), writeCDB(0, 1)...)
	if i.expect(&r); r.MaxCmdSN-r.ExpCmdSN != window {
		t.Errorf("the window is %d, was %d", r.MaxCmdSN-r.ExpCmdSN, window)
	}
	close(disk.gate)
	for range maxTasks {
		i.expectGood()
	}
}

// Each task management function, on the commands and for the sessions that it
// is about (RFC 7143, 11.5; SAM-5, 7).
func TestTaskManagement(t *testing.T) {
	for _, c := range []struct {
		name     string
		function byte
		own      bool      // ends the asker's command on LUN 0
		others   bool      // ends the other session's
		told     [2][]byte // the unit attention that the asker and the other get
		answer   byte
	}{
		{"abort task set", pdu.TaskAbortTaskSet, true, false, [2][]byte{}, pdu.TaskComplete},
		{"clear task set", pdu.TaskClearTaskSet, true, true, [2][]byte{1: {6, 0x2f, 0}}, pdu.TaskComplete},
		{"logical unit reset", pdu.TaskLUNReset, true, true, [2][]byte{{6, 0x29, 3}, {6, 0x29, 3}}, pdu.TaskComplete},
		{"target warm reset", pdu.TaskTargetWarmReset, true, true, [2][]byte{{6, 0x29, 2}, {6, 0x29, 2}}, pdu.TaskComplete},
		{"clear ACA", pdu.TaskClearACA, false, false, [2][]byte{}, pdu.TaskNotSupported},
		{"task reassign", pdu.TaskReassign, false, false, [2][]byte{}, pdu.TaskNoReassignment},
		{"function 20", 20, false, false, [2][]byte{}, pdu.TaskNotSupported},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, addr := serve(t, Options{Authority: newAuthority(newMemory(1 << 20))})
			one, two := dial(t, addr).login(), dial(t, addr).as(testUser, testSecret, 2).login()
			pending := func(i *initiator) (r pdu.R2T) {
				i.command(pdu.SCSICommand{Final: true, Write: true, Expected: 512}, nil, writeCDB(0, 1)...)
				i.expect(&r)
				return r
			}
			mine, theirs := pending(one), pending(two)
			one.manage(pdu.TaskRequest{Function: c.function})
			var r pdu.TaskResponse
			if one.expect(&r); r.Response != c.answer {
				t.Fatalf("response %+v", r)
			}
			for n, x := range []struct {
				i     *initiator
				r2t   pdu.R2T
				ended bool
			}{{one, mine, c.own}, {two, theirs, c.others}} {
				x.i.burst(x.r2t.ITT, x.r2t.TTT, make([]byte, 512), 0, 512, 512)
				if !x.ended {
					x.i.expectGood()
				}
				x.i.testUnitReady(0)
				if ua := c.told[n]; ua != nil {
					x.i.expectSense(ua[0], ua[1], ua[2])
					x.i.testUnitReady(0)
				}
				x.i.expectGood()
			}
		})
	}
}
