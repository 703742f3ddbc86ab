package iscsi

import (
	"cmp"
	"context"
	"encoding"
	"io"
	"net"
	"strconv"
	"testing"
	"time"

	"bootes.dev/internal/iscsi/pdu"
)

// initiator is the other end of a connection, driven PDU by PDU.
type initiator struct {
	t        testing.TB
	conn     net.Conn
	cmdSN    uint32
	statSN   uint32 // of the last PDU
	itt      uint32
	name     string
	target   string
	user     string
	secret   string
	isid     [6]byte
	tsih     uint16
	session  string // SessionType
	method   string // AuthMethod offered
	keys     string // operational keys, as text
	digests  bool
	loggedIn bool
}

type appender interface {
	AppendBinary([]byte) ([]byte, error)
}

var noDeadline time.Time

func serveB(b *testing.B) (*Server, string) {
	return serve(b, Options{Authority: newAuthority(newMemory(1 << 20))})
}

func serve(t testing.TB, o Options) (*Server, string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o.LogoutTime = cmp.Or(o.LogoutTime, 10*time.Millisecond)
	o.RefusalDelay = cmp.Or(o.RefusalDelay, time.Millisecond)
	s := New(o)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("Serve: %v", err)
			}
		case <-time.After(10 * time.Second):
			t.Error("Serve does not end")
		}
	})
	return s, ln.Addr().String()
}

func dial(t testing.TB, addr string) *initiator {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	return newInitiator(t, conn)
}

func newInitiator(t testing.TB, conn net.Conn) *initiator {
	return &initiator{
		t: t, conn: conn, cmdSN: 100, name: testInitiator, target: testTarget, user: testUser, secret: testSecret,
		isid: [6]byte{0x80, 1, 2, 3, 4, 5}, session: "Normal", method: "CHAP,None",
		keys: "HeaderDigest=None\x00DataDigest=None\x00InitialR2T=No\x00ImmediateData=Yes\x00MaxRecvDataSegmentLength=262144\x00MaxBurstLength=262144\x00FirstBurstLength=65536\x00",
	}
}

// ipxe makes it offer what iPXE offers.
func (i *initiator) ipxe() *initiator {
	copy(i.isid[:], fenSystems)
	i.keys = "HeaderDigest=None\x00DataDigest=None\x00MaxConnections=1\x00InitialR2T=Yes\x00ImmediateData=No\x00MaxRecvDataSegmentLength=8192\x00MaxBurstLength=262144\x00FirstBurstLength=65536\x00DefaultTime2Wait=0\x00DefaultTime2Retain=0\x00MaxOutstandingR2T=1\x00DataPDUInOrder=Yes\x00DataSequenceInOrder=Yes\x00ErrorRecoveryLevel=0\x00"
	return i
}

func (i *initiator) send(p appender, data []byte) {
	i.t.Helper()
	b, err := p.AppendBinary(nil)
	if err != nil {
		i.t.Fatal(err)
	}
	if i.digests && i.loggedIn {
		b = appendDigest(b, pdu.Digest(0).Add(b))
	}
	if len(data) > 0 {
		body := append(append([]byte(nil), data...), make([]byte, pdu.Pad(len(data)))...)
		b = append(b, body...)
		if i.digests && i.loggedIn {
			b = appendDigest(b, pdu.Digest(0).Add(body))
		}
	}
	if _, err := i.conn.Write(b); err != nil {
		i.t.Fatalf("send: %v", err)
	}
}

// receive reads one PDU; nil at the end of the connection.
func (i *initiator) receive() (head, data []byte) {
	i.t.Helper()
	head = make([]byte, pdu.HeaderSize)
	if _, err := io.ReadFull(i.conn, head); err != nil {
		return nil, nil
	}
	var h pdu.Header
	if err := h.UnmarshalBinary(head); err != nil {
		i.t.Fatal(err)
	}
	var d [4]byte
	if i.digests && i.loggedIn {
		i.read(d[:])
		if !pdu.Digest(0).Add(head).Matches(d[:]) {
			i.t.Error("header digest is wrong")
		}
	}
	data = make([]byte, h.DataLength+pdu.Pad(h.DataLength))
	i.read(data)
	if i.digests && i.loggedIn && len(data) > 0 {
		i.read(d[:])
		if !pdu.Digest(0).Add(data).Matches(d[:]) {
			i.t.Error("data digest is wrong")
		}
	}
	return head, data[:h.DataLength]
}

func (i *initiator) read(p []byte) {
	if _, err := io.ReadFull(i.conn, p); err != nil {
		i.t.Fatalf("receive: %v", err)
	}
}

// expect receives a PDU and decodes it as p.
func (i *initiator) expect(p encoding.BinaryUnmarshaler) []byte {
	i.t.Helper()
	head, data := i.receive()
	if head == nil {
		i.t.Fatalf("connection ended, expected %T", p)
	}
	if err := p.UnmarshalBinary(head); err != nil {
		i.t.Fatalf("expected %T: %v (got % x)", p, err, head)
	}
	return data
}

func (i *initiator) expectEnd() {
	i.t.Helper()
	if head, _ := i.receive(); head != nil {
		i.t.Fatalf("connection goes on with % x", head)
	}
}

func (i *initiator) exchange(req pdu.LoginRequest, text string) (pdu.LoginResponse, map[string]string) {
	i.t.Helper()
	req.ISID, req.TSIH, req.CmdSN, req.ITT, req.DataLength = i.isid, i.tsih, i.cmdSN, 1, len(text)
	i.send(&req, []byte(text))
	var r pdu.LoginResponse
	data := i.expect(&r)
	pairs, err := pdu.ParseText(data)
	if err != nil {
		i.t.Fatal(err)
	}
	m := make(map[string]string)
	for _, p := range pairs {
		m[p.Key] = p.Value
	}
	return r, m
}

func (i *initiator) names() string {
	s := "InitiatorName=" + i.name + "\x00SessionType=" + i.session + "\x00"
	if i.session == "Normal" {
		s += "TargetName=" + i.target + "\x00"
	}
	return s
}

func (i *initiator) answerCHAP(m map[string]string) string {
	id, _ := strconv.Atoi(m["CHAP_I"])
	challenge, _ := pdu.ParseBinary(m["CHAP_C"])
	c, ok := newChap(m["CHAP_A"])
	if !ok {
		i.t.Fatalf("chosen algorithm %q", m["CHAP_A"])
	}
	c.id, c.challenge = byte(id), challenge
	return "CHAP_N=" + i.user + "\x00CHAP_R=" + pdu.FormatBinary(c.respond(i.secret)) + "\x00"
}

// tryLogin logs in, as far as it gets, and returns the status.
func (i *initiator) tryLogin() (Status, map[string]string) {
	i.t.Helper()
	sec := pdu.LoginRequest{Transit: true, Stage: pdu.SecurityStage, Next: pdu.OperationalStage}
	r, _ := i.exchange(sec, i.names()+"AuthMethod="+i.method+"\x00")
	if r.Status != 0 {
		return Status(r.Status), nil
	}
	sec.Transit = false
	r, m := i.exchange(sec, "CHAP_A=5\x00")
	if r.Status != 0 {
		return Status(r.Status), nil
	}
	sec.Transit = true
	r, _ = i.exchange(sec, i.answerCHAP(m))
	if r.Status != 0 {
		return Status(r.Status), nil
	}
	if !r.Transit || r.Next != pdu.OperationalStage {
		i.t.Fatalf("after CHAP: %+v", r)
	}
	r, m = i.exchange(pdu.LoginRequest{Transit: true, Stage: pdu.OperationalStage, Next: pdu.FullFeature}, i.keys)
	if r.Status == 0 && (!r.Transit || r.TSIH == 0) {
		i.t.Fatalf("login does not end: %+v", r)
	}
	i.statSN = r.StatSN
	i.loggedIn = r.Status == 0
	return Status(r.Status), m
}

func (i *initiator) login() *initiator {
	i.t.Helper()
	if status, _ := i.tryLogin(); status != StatusSuccess {
		i.t.Fatalf("login refused: %04x", status)
	}
	return i
}

// command sends a CDB with immediate data and returns its task tag.
func (i *initiator) command(c pdu.SCSICommand, immediate []byte, cdb ...byte) uint32 {
	i.t.Helper()
	return i.attributed(pdu.AttrSimple, c, immediate, cdb...)
}

// attributed is command with a task attribute.
func (i *initiator) attributed(attr byte, c pdu.SCSICommand, immediate []byte, cdb ...byte) uint32 {
	i.t.Helper()
	i.itt++
	c.ITT, c.CmdSN, c.DataLength, c.Attr = i.itt, i.cmdSN, len(immediate), attr
	copy(c.CDB[:], cdb)
	if !c.Immediate {
		i.cmdSN++
	}
	i.send(&c, immediate)
	return i.itt
}

// read10 reads count blocks and returns their data.
func (i *initiator) read10(lba, count byte) []byte {
	i.t.Helper()
	i.command(pdu.SCSICommand{Final: true, Read: true, Expected: uint32(count) * 512}, nil, 0x28, 0, 0, 0, 0, lba, 0, 0, count)
	var all []byte
	for {
		var d pdu.DataIn
		data := i.expect(&d)
		if int(d.Offset) != len(all) {
			i.t.Fatalf("Data-In at %d, expected %d", d.Offset, len(all))
		}
		all = append(all, data...)
		if d.HasStatus {
			if d.Status != 0 || !d.Final {
				i.t.Fatalf("last Data-In %+v", d)
			}
			return all
		}
	}
}

// writeCDB is WRITE (10).
func writeCDB(lba, count byte) []byte { return []byte{0x2a, 0, 0, 0, 0, lba, 0, 0, count} }

// write10 writes data as immediate data, and returns the response.
func (i *initiator) write10(lba byte, data []byte) pdu.SCSIResponse {
	i.t.Helper()
	i.command(pdu.SCSICommand{Final: true, Write: true, Expected: uint32(len(data))}, data, writeCDB(lba, byte(len(data)/512))...)
	var r pdu.SCSIResponse
	i.expect(&r)
	return r
}

func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); !f(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}
