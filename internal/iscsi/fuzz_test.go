package iscsi

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"bootes.dev/internal/iscsi/pdu"
	"bootes.dev/internal/scsi"
)

// FuzzLogin feeds the login state machine a sequence of requests: per request
// a byte of flags (T, C, CSG, NSG as in the header), a byte of TSIH, and text
// up to the next 0xff. Whatever comes, nobody gets in without the secret.
func FuzzLogin(f *testing.F) {
	names := "InitiatorName=iqn.x\x00TargetName=" + testTarget + "\x00"
	f.Add([]byte("\x81\x00" + names + "AuthMethod=CHAP\x00\xff\x00\x00CHAP_A=5\x00\xff\x81\x00CHAP_N=pc1\x00CHAP_R=0x00\x00\xff\x87\x00HeaderDigest=None\x00"))
	f.Add([]byte("\x81\x00" + names + "AuthMethod=CHAP\x00\xff\x00\x00CHAP_A=8,5\x00\xff\x81\x00CHAP_N=pc1\x00CHAP_R=0x00\x00CHAP_I=1\x00CHAP_C=0x01\x00"))
	f.Add([]byte("\x83\x00" + names + "AuthMethod=None\x00"))
	f.Add([]byte("\x87\x00InitiatorName=a\x00SessionType=Discovery\x00"))
	f.Add([]byte("\x00\x00" + names + "CHAP_A=5\x00"))
	f.Fuzz(func(t *testing.T, script []byte) {
		n := negotiator{authority: prover{newAuthority(nil), "the target's own secret"}, params: defaultParams()}
		for step := range bytes.SplitSeq(script, []byte{0xff}) {
			if len(step) < 2 {
				return
			}
			req := pdu.LoginRequest{
				Transit: step[0]&0x80 != 0, Stage: pdu.Stage(step[0] >> 2 & 3), Next: pdu.Stage(step[0] & 3), TSIH: uint16(step[1]),
			}
			a, done, err := n.step(context.Background(), &req, step[2:])
			if err != nil {
				return
			}
			if done || n.authenticated {
				t.Fatalf("in without the secret, after %q", script)
			}
			pairs, err := pdu.ParseText(a.text)
			if err != nil {
				t.Fatalf("answer %q: %v", a.text, err)
			}
			for _, p := range pairs {
				if p.Key == "CHAP_R" {
					t.Fatalf("the target proves itself to a stranger, after %q", script)
				}
			}
			if p := n.params; p.maxBurst < 512 || p.maxBurst > ourMaxBurst || p.firstBurst > ourFirstBurst || p.maxData < 512 {
				t.Fatalf("negotiated %+v", p)
			}
		}
	})
}

// FuzzConnection feeds raw bytes to a connection before login.
func FuzzConnection(f *testing.F) {
	req := pdu.LoginRequest{Transit: true, Next: pdu.OperationalStage, DataLength: 20}
	b, _ := req.AppendBinary(nil)
	f.Add(append(b, "InitiatorName=iqn.x\x00"...))
	f.Fuzz(func(t *testing.T, in []byte) {
		a := newAuthority(newMemory(4096))
		s := New(Options{Authority: a, LoginTimeout: time.Second})
		s.serveConn(context.Background(), newTape(in))
		if opened, _, _ := a.lists(); len(opened) > 0 {
			t.Fatal("in without the secret")
		}
	})
}

// FuzzSession feeds raw bytes to a session in full feature phase. The session
// must end with the bytes, and give back all memory.
func FuzzSession(f *testing.F) {
	add := func(ps ...any) {
		var b []byte
		for _, p := range ps {
			switch p := p.(type) {
			case appender:
				b, _ = p.AppendBinary(b)
			case []byte:
				b = append(b, p...)
			}
		}
		f.Add(b, false)
	}
	cdb := func(b ...byte) (c [16]byte) { copy(c[:], b); return }
	add(&pdu.SCSICommand{Final: true, Read: true, Expected: 4096, CDB: cdb(0x28, 0, 0, 0, 0, 0, 0, 0, 8)})
	add(&pdu.SCSICommand{Final: true, Write: true, Expected: 512, DataLength: 512, CDB: cdb(writeCDB(0, 1)...)}, make([]byte, 512))
	add(&pdu.SCSICommand{Write: true, Expected: 512, ITT: 4, CDB: cdb(writeCDB(0, 1)...)},
		&pdu.DataOut{Final: true, DataLength: 512, ITT: 4, TTT: pdu.NoTag}, make([]byte, 512))
	add(&pdu.SCSICommand{Final: true, Write: true, Expected: 512, ITT: 4, CDB: cdb(writeCDB(0, 1)...)},
		&pdu.DataOut{Final: true, DataLength: 512, ITT: 4, TTT: 1}, make([]byte, 512),
		&pdu.TaskRequest{Immediate: true, Function: pdu.TaskLUNReset})
	add(&pdu.SCSICommand{Final: true, Write: true, Expected: 24, DataLength: 24, CDB: cdb(0x42, 0, 0, 0, 0, 0, 0, 0, 24)}, make([]byte, 24))
	for _, attr := range []byte{pdu.AttrOrdered, pdu.AttrHeadOfQueue} {
		add(&pdu.SCSICommand{Final: true, Write: true, Expected: 512, ITT: 4, CDB: cdb(writeCDB(0, 1)...)},
			&pdu.SCSICommand{Final: true, Write: true, Expected: 512, DataLength: 512, ITT: 5, CmdSN: 1, Attr: attr, CDB: cdb(writeCDB(0, 1)...)}, make([]byte, 512),
			&pdu.SCSICommand{Final: true, Read: true, Expected: 512, ITT: 6, CmdSN: 2, CDB: cdb(0x28, 0, 0, 0, 0, 0, 0, 0, 1)},
			&pdu.TaskRequest{Immediate: true, Function: pdu.TaskAbortTask, RefITT: 5})
	}
	add(&pdu.NopOut{ITT: 1, DataLength: 4}, []byte("ping"), &pdu.LogoutRequest{CmdSN: 1})
	text := []byte("SendTargets=All\x00")
	add(&pdu.TextRequest{Final: true, ITT: 1, TTT: pdu.NoTag, DataLength: len(text)}, text)
	f.Fuzz(func(t *testing.T, in []byte, discovery bool) {
		srv := New(Options{Authority: newAuthority(nil), WriteBudget: 1 << 20})
		s := newSession(srv, newTape(in))
		s.discovery = discovery
		if !discovery {
			s.target = &target{srv: srv, busy: make(chan struct{}, 1), sessions: map[*session]bool{s: true}, refs: 1}
			s.hold = srv.newHolding("fuzz", newAuthority(newMemory(64<<10)).open("fuzz"))
			s.nexus = s.hold.device.Join(scsi.Initiator{Port: "fuzz"})
			s.target.hold = s.hold
			srv.count = 1
		}
		p := defaultParams()
		p.initialR2T = false
		s.start(&p, &framer{r: bufio.NewReader(strings.NewReader(""))}, 0, 0)
		s.run()
		if srv.budget.free != srv.budget.all || s.held.Load() != 0 {
			t.Fatalf("%d bytes of write memory are lost", srv.budget.all-srv.budget.free)
		}
		checkStream(t, s.conn.(*tape).out.Bytes())
	})
}

// checkStream tells whether what the target sent can be cut into PDUs whose
// StatSN never goes back.
func checkStream(t *testing.T, b []byte) {
	last := uint32(0)
	for len(b) > 0 {
		var h pdu.Header
		if err := h.UnmarshalBinary(b); err != nil {
			t.Fatalf("%d stray bytes", len(b))
		}
		n := pdu.HeaderSize + h.DataLength + pdu.Pad(h.DataLength)
		if n > len(b) {
			t.Fatalf("opcode %02x is cut off", byte(h.Opcode))
		}
		if sn := binary.BigEndian.Uint32(b[24:]); sn < last {
			t.Fatalf("StatSN %d after %d", sn, last)
		} else {
			last = sn
		}
		b = b[n:]
	}
}

// tape is a connection that plays bytes and keeps what is written to it.
type tape struct {
	in  io.Reader
	out bytes.Buffer
}

func newTape(in []byte) *tape { return &tape{in: bytes.NewReader(in)} }

func (c *tape) Read(p []byte) (int, error)       { return c.in.Read(p) }
func (c *tape) Write(p []byte) (int, error)      { return c.out.Write(p) }
func (c *tape) Close() error                     { return nil }
func (c *tape) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (c *tape) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (c *tape) SetDeadline(time.Time) error      { return nil }
func (c *tape) SetReadDeadline(time.Time) error  { return nil }
func (c *tape) SetWriteDeadline(time.Time) error { return nil }
