package iscsi

import (
	"context"
	"errors"
	"net"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"bootes.dev/internal/iscsi/pdu"
)

// FuzzLiveSession logs in for real, with CHAP, and then sends what a script
// says: three bytes for each PDU, its kind, its tag and how it is bent. CmdSN is
// kept in order, so that the session lives on, unless a bend breaks it. Whatever
// comes, the session ends with its connection and gives back all it held, and
// what it has sent can be cut into PDUs whose StatSN never goes back.
func FuzzLiveSession(f *testing.F) {
	f.Add([]byte("\x00\x01\x00\x01\x02\x00\x02\x02\x00\x03\x02\x00\x04\x03\x00\x05\x04\x00\x06\x05\x00\x07\x06\x00\x08\x00\x00"), true)
	f.Add([]byte("\x02\x01\x00\x09\x01\x00\x09\x01\x00\x02\x02\x01\x04\x02\x00\x09\x02\x02"), false)
	f.Add([]byte("\x03\x01\x00\x0a\x01\x00\x03\x02\x00\x0a\x02\x04\x05\x01\x00"), false)
	f.Add([]byte("\x01\x01\x00\x01\x02\x08\x01\x01\x10\x00\x05\x20\x0b\x05\x00\x0c\x06\x00"), true)
	f.Fuzz(func(t *testing.T, script []byte, digests bool) {
		srv := New(Options{
			Authority: newAuthority(newMemory(64 << 10)), WriteBudget: 1 << 20, LogoutTime: time.Millisecond, RefusalDelay: time.Millisecond,
		})
		ours, theirs := net.Pipe()
		ended := make(chan struct{})
		go func() {
			srv.serveConn(context.Background(), ours)
			close(ended)
		}()
		_ = theirs.SetDeadline(time.Now().Add(10 * time.Second))
		l := &live{initiator: newInitiator(t, theirs), read: make(chan struct{})}
		l.digests = digests
		l.keys = "InitialR2T=No\x00ImmediateData=Yes\x00FirstBurstLength=1024\x00MaxBurstLength=1024\x00"
		if digests {
			l.keys += "HeaderDigest=CRC32C\x00DataDigest=CRC32C\x00"
		}
		l.login()
		go l.listen()
		for ; len(script) >= 3 && l.step(script[0], script[1], script[2]); script = script[3:] {
		}
		_ = theirs.Close()
		<-l.read
		select {
		case <-ended:
		case <-time.After(10 * time.Second):
			panic("the session does not end with its connection") // which shows all goroutines
		}
		srv.mu.Lock()
		defer srv.mu.Unlock()
		if srv.budget.free != srv.budget.all || srv.count != 0 || len(srv.targets) != 0 {
			t.Fatalf("left behind: %d bytes of write memory, %d sessions, %d targets", srv.budget.all-srv.budget.free, srv.count, len(srv.targets))
		}
	})
}

// live is an initiator that does not wait for answers.
type live struct {
	*initiator
	ttt  atomic.Uint32 // of the last R2T
	read chan struct{}
}

// listen checks what the target sends, until the end.
func (l *live) listen() {
	defer close(l.read)
	last := l.statSN
	for {
		head, _ := l.tryReceive()
		if head == nil {
			return
		}
		var r pdu.R2T
		if r.UnmarshalBinary(head) == nil {
			l.ttt.Store(r.TTT)
		}
		// A Data-In without status has no StatSN.
		var d pdu.DataIn
		if d.UnmarshalBinary(head) == nil && !d.HasStatus {
			continue
		}
		var n pdu.NopIn
		_ = n.UnmarshalBinary(append([]byte{byte(pdu.OpNopIn)}, head[1:]...))
		if int32(n.StatSN-last) < 0 {
			l.t.Errorf("StatSN %d after %d", n.StatSN, last)
			return
		}
		last = n.StatSN
	}
}

// tryReceive reads one PDU as receive does, without failing at the end.
func (l *live) tryReceive() (head, data []byte) {
	head = make([]byte, pdu.HeaderSize)
	if !l.fill(head) {
		return nil, nil
	}
	var h pdu.Header
	_ = h.UnmarshalBinary(head)
	d := make([]byte, pdu.DigestSize)
	if l.digests && (!l.fill(d) || !l.matches(d, head, "header")) {
		return nil, nil
	}
	data = make([]byte, h.DataLength+pdu.Pad(h.DataLength))
	if !l.fill(data) || l.digests && len(data) > 0 && (!l.fill(d) || !l.matches(d, data, "data")) {
		return nil, nil
	}
	return head, data[:h.DataLength]
}

func (l *live) matches(digest, of []byte, what string) bool {
	ok := pdu.Digest(0).Add(of).Matches(digest)
	if !ok {
		l.t.Errorf("%s digest is wrong", what)
	}
	return ok
}

func (l *live) fill(p []byte) bool {
	for n := 0; n < len(p); {
		m, err := l.conn.Read(p[n:])
		if n += m; err != nil {
			return false
		}
	}
	return true
}

// step sends the PDU of one part of the script; false when the connection is
// gone.
func (l *live) step(kind, tag, bend byte) bool {
	itt := uint32(tag)
	cmd := func(c pdu.SCSICommand, n int, cdb ...byte) bool {
		c.ITT, c.LUN, c.Attr, c.DataLength = itt, pdu.LUNField(bend>>6), bend>>3&7, n
		c.CmdSN = l.next(bend)
		copy(c.CDB[:], cdb)
		return l.try(&c, n)
	}
	blocks := bend&7 + 1
	size := uint32(blocks) * 512
	switch kind % 13 {
	case 0:
		return cmd(pdu.SCSICommand{Final: true}, 0, 0)
	case 1:
		return cmd(pdu.SCSICommand{Final: true, Read: true, Expected: size}, 0, 0x28, 0, 0, 0, 0, tag, 0, 0, blocks)
	case 2: // all by R2T
		return cmd(pdu.SCSICommand{Final: true, Write: true, Expected: size}, 0, writeCDB(tag, blocks)...)
	case 3: // immediate, and more to come
		return cmd(pdu.SCSICommand{Write: true, Expected: size}, 512, writeCDB(tag, blocks)...)
	case 4:
		p := pdu.TaskRequest{Immediate: true, Function: bend%9 + 1, LUN: pdu.LUNField(0), ITT: 0x1000 + itt, RefITT: uint32(bend)}
		return l.try(&p, 0)
	case 5:
		return l.try(&pdu.NopOut{Immediate: true, ITT: itt, TTT: pdu.NoTag, DataLength: int(bend)}, int(bend))
	case 6:
		return l.try(&pdu.TextRequest{Immediate: true, Final: bend&1 == 0, Continue: bend&2 != 0, ITT: itt, TTT: pdu.NoTag, DataLength: int(bend)}, int(bend))
	case 7: // UNMAP, whose parameters may be too few
		return cmd(pdu.SCSICommand{Final: true, Write: true, Expected: uint32(bend)}, int(bend), 0x42, 0, 0, 0, 0, 0, 0, 0, tag)
	case 8:
		return l.try(&pdu.LogoutRequest{Immediate: true, Reason: bend & 3, ITT: itt}, 0)
	case 9: // for the last R2T
		return l.try(&pdu.DataOut{Final: bend&1 == 0, ITT: itt, TTT: l.ttt.Load(), Offset: uint32(bend>>1) * 512, DataLength: 512}, 512)
	case 10: // unsolicited
		return l.try(&pdu.DataOut{Final: bend&1 == 0, ITT: itt, TTT: pdu.NoTag, DataSN: uint32(bend >> 5), Offset: uint32(bend>>1&15) * 512, DataLength: 512}, 512)
	case 11: // SYNCHRONIZE CACHE, COMPARE AND WRITE, PERSISTENT RESERVE OUT
		op := [...]byte{0x35, 0x89, 0x5f, 0x93}[bend%4]
		return cmd(pdu.SCSICommand{Final: true, Write: true, Expected: size}, 24, op, bend, 0, 0, 0, 0, 0, 0, tag, 0, 0, 0, 0, blocks)
	default: // REPORT LUNS, INQUIRY, MODE SENSE, REPORT SUPPORTED OPCODES
		op := [...]byte{0xa0, 0x12, 0x5a, 0xa3}[bend%4]
		return cmd(pdu.SCSICommand{Final: true, Read: true, Expected: size}, 0, op, bend, tag, 0, 0, 0, 0, 1, 0, 1)
	}
}

// next is the CmdSN of the next command, which a bend may put out of order.
func (l *live) next(bend byte) uint32 {
	if bend == 0xff {
		return l.cmdSN + 2
	}
	l.cmdSN++
	return l.cmdSN - 1
}

// try sends a PDU with n bytes of data.
func (l *live) try(p appender, n int) bool {
	b, err := p.AppendBinary(nil)
	if err != nil {
		return false
	}
	data := make([]byte, n+pdu.Pad(n))
	if l.digests {
		b = appendDigest(b, pdu.Digest(0).Add(b))
	}
	b = append(b, data...)
	if l.digests && n > 0 {
		b = appendDigest(b, pdu.Digest(0).Add(data))
	}
	_, err = l.conn.Write(b)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		panic("the target takes nothing any more") // which shows all goroutines
	}
	return err == nil
}
