package iscsi

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"bootes.dev/internal/block"
	"bootes.dev/internal/iscsi/pdu"
)

func random(n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{byte(n)})
	_, _ = r.Read(b)
	return b
}

func start(t *testing.T, change func(*initiator)) (*initiator, *memory) {
	t.Helper()
	disk := newMemory(4 << 20)
	_, addr := serve(t, Options{Authority: newAuthority(disk)})
	i := dial(t, addr)
	if change != nil {
		change(i)
	}
	return i.login(), disk
}

// write sends a WRITE (10) as the parameters say: immediate data, unsolicited
// Data-Out, then whatever R2Ts ask for, in PDUs of at most max bytes.
func (i *initiator) write(lba byte, data []byte, immediate, unsolicited, max int) pdu.SCSIResponse {
	i.t.Helper()
	c := pdu.SCSICommand{Final: unsolicited == 0, Write: true, Expected: uint32(len(data))}
	itt := i.command(c, data[:immediate], 0x2a, 0, 0, 0, 0, lba, 0, byte(len(data)/512>>8), byte(len(data)/512))
	if unsolicited > 0 {
		i.burst(itt, pdu.NoTag, data, immediate, unsolicited, max)
	}
	for sn := uint32(0); ; sn++ {
		head, _ := i.receive()
		var r2t pdu.R2T
		if err := r2t.UnmarshalBinary(head); err != nil {
			var r pdu.SCSIResponse
			if err := r.UnmarshalBinary(head); err != nil {
				i.t.Fatal(err)
			}
			if r.ExpDataSN != sn {
				i.t.Errorf("ExpDataSN %d after %d R2Ts", r.ExpDataSN, sn)
			}
			return r
		}
		if r2t.R2TSN != sn || r2t.ITT != itt || r2t.Length == 0 || int(r2t.Offset+r2t.Length) > len(data) {
			i.t.Fatalf("R2T %+v", r2t)
		}
		i.burst(itt, r2t.TTT, data, int(r2t.Offset), int(r2t.Length), max)
	}
}

func (i *initiator) burst(itt, ttt uint32, data []byte, off, n, max int) {
	for sn := uint32(0); n > 0; sn++ {
		k := min(n, max)
		i.send(&pdu.DataOut{Final: k == n, DataLength: k, ITT: itt, TTT: ttt, DataSN: sn, Offset: uint32(off)}, data[off:off+k])
		off, n = off+k, n-k
	}
}

// Every way to bring write data, and to take it back, with awkward limits.
func TestReadWrite(t *testing.T) {
	const digests = "HeaderDigest=CRC32C\x00DataDigest=CRC32C\x00"
	const plain = "HeaderDigest=None\x00DataDigest=None\x00"
	type how struct{ immediate, unsolicited, max int }
	for _, c := range []struct {
		name string
		keys string
		how  how
	}{
		{"iPXE", plain + "InitialR2T=Yes\x00ImmediateData=No\x00MaxRecvDataSegmentLength=8192\x00", how{0, 0, 8192}},
		{"open-iscsi", plain + "InitialR2T=No\x00ImmediateData=Yes\x00MaxRecvDataSegmentLength=262144\x00FirstBurstLength=262144\x00MaxBurstLength=16776192\x00", how{130560, 0, 262144}},
		{"unsolicited", plain + "InitialR2T=No\x00ImmediateData=Yes\x00FirstBurstLength=65536\x00", how{4096, 61440, 8192}},
		{"only unsolicited", plain + "InitialR2T=No\x00ImmediateData=No\x00FirstBurstLength=65536\x00", how{0, 65536, 4096}},
		{"digests", digests + "InitialR2T=No\x00ImmediateData=Yes\x00", how{1024, 0, 4096}},
		{"odd", digests + "InitialR2T=No\x00ImmediateData=Yes\x00FirstBurstLength=1001\x00MaxBurstLength=1537\x00MaxRecvDataSegmentLength=515\x00", how{333, 668, 97}},
		{"tiny", plain + "InitialR2T=No\x00ImmediateData=Yes\x00FirstBurstLength=512\x00MaxBurstLength=512\x00MaxRecvDataSegmentLength=512\x00", how{1, 0, 7}},
	} {
		t.Run(c.name, func(t *testing.T) {
			i, disk := start(t, func(i *initiator) {
				i.keys = c.keys
				i.digests = c.keys[:len(digests)] == digests
			})
			data := random(255 * 512)
			if r := i.write(3, data, c.how.immediate, c.how.unsolicited, c.how.max); r.Status != 0 || r.Overflow || r.Underflow {
				t.Fatalf("response %+v", r)
			}
			if !bytes.Equal(disk.bytes(3*512, 258*512), data) {
				t.Error("the disk holds something else")
			}
			if got := i.read10(3, 255); !bytes.Equal(got, data) {
				t.Error("read something else")
			}
		})
	}
}

// A long READ comes in bursts, each closed by F, all status in the last PDU.
func TestReadBursts(t *testing.T) {
	i, disk := start(t, func(i *initiator) { i.ipxe() })
	disk.set(random(1 << 20))
	i.command(pdu.SCSICommand{Final: true, Read: true, Expected: 1 << 20}, nil, 0x28, 0, 0, 0, 0, 0, 0, 2048>>8, 0)
	var got []byte
	for sn := uint32(0); ; sn++ {
		var d pdu.DataIn
		data := i.expect(&d)
		got = append(got, data...)
		if len(data) > 8192 || d.DataSN != sn || d.Final != (len(got)%(256<<10) == 0) {
			t.Fatalf("Data-In %+v", d)
		}
		if d.HasStatus {
			break
		}
	}
	if !bytes.Equal(got, disk.bytes(0, 1<<20)) {
		t.Error("read something else")
	}
}

// So does an answer that is longer than a burst.
func TestAnswerBursts(t *testing.T) {
	i, _ := start(t, func(i *initiator) { i.keys = "MaxBurstLength=1000\x00MaxRecvDataSegmentLength=512\x00" })
	i.command(pdu.SCSICommand{Final: true, Read: true, Expected: 65536}, nil, 0xa3, 0x0c, 0x80, 0, 0, 0, 0, 0, 0xff, 0xff)
	var got []byte
	for sn, burst := uint32(0), 0; ; sn++ {
		var d pdu.DataIn
		data := i.expect(&d)
		if int(d.Offset) != len(got) || d.DataSN != sn {
			t.Fatalf("Data-In %+v after %d bytes", d, len(got))
		}
		got = append(got, data...)
		if burst += len(data); burst > 1000 {
			t.Fatalf("burst of %d bytes", burst)
		}
		if d.Final {
			burst = 0
		}
		if d.HasStatus {
			break
		}
	}
	if len(got) < 1000 || int(got[2])<<8|int(got[3]) != len(got)-4 {
		t.Errorf("%d bytes, % x…", len(got), got[:4])
	}
}

func TestResiduals(t *testing.T) {
	i, _ := start(t, nil)
	for _, c := range []struct {
		count               byte
		expected            uint32
		overflow, underflow bool
		residual            uint32
	}{
		{2, 1024, false, false, 0},
		{2, 512, true, false, 512},
		{2, 600, true, false, 424},
		{2, 2048, false, true, 1024},
	} {
		i.command(pdu.SCSICommand{Final: true, Read: true, Expected: c.expected}, nil, 0x28, 0, 0, 0, 0, 0, 0, 0, c.count)
		var d pdu.DataIn
		data := i.expect(&d)
		if d.Overflow != c.overflow || d.Underflow != c.underflow || d.Residual != c.residual || len(data) != int(min(c.expected, uint32(c.count)*512)) {
			t.Errorf("%d blocks, %d bytes expected: %+v", c.count, c.expected, d)
		}
	}
	i.command(pdu.SCSICommand{Final: true, Read: true}, nil, 0x28, 0, 0, 0, 0, 0, 0, 0, 1)
	var r pdu.SCSIResponse
	if i.expect(&r); r.Status != 0 || !r.Overflow || r.Residual != 512 {
		t.Errorf("nothing expected: %+v", r)
	}
}

// A device error becomes sense, at once in the response.
func TestDeviceErrors(t *testing.T) {
	i, disk := start(t, nil)
	for _, c := range []struct {
		err        error
		key        byte
		asc, ascq  byte
		alsoOnRead bool
	}{
		{block.ErrNoSpace, 7, 0x27, 7, false},
		{block.ErrReadOnly, 7, 0x27, 0, false},
		{block.ErrCorrupt, 3, 0x11, 0, true},
		{block.ErrFailed, 4, 0x44, 0, true},
		{block.ErrClosed, 4, 0x44, 0, true},
	} {
		err := fmt.Errorf("write block: %w", c.err)
		disk.fail.Store(&err)
		i.command(pdu.SCSICommand{Final: true, Write: true, Expected: 512}, make([]byte, 512), writeCDB(0, 1)...)
		i.expectSense(c.key, c.asc, c.ascq)
		if c.alsoOnRead {
			i.command(pdu.SCSICommand{Final: true, Read: true, Expected: 512}, nil, 0x28, 0, 0, 0, 0, 0, 0, 0, 1)
			i.expectSense(c.key, c.asc, c.ascq)
		}
	}
	disk.fail.Store(nil)
	if r := i.write10(0, make([]byte, 512)); r.Status != 0 {
		t.Errorf("after the errors: %+v", r)
	}
}

func (i *initiator) expectSense(key, asc, ascq byte) {
	i.t.Helper()
	var r pdu.SCSIResponse
	data := i.expect(&r)
	if r.Status != 2 || len(data) != 20 || data[1] != 18 {
		i.t.Fatalf("response %+v with % x", r, data)
	}
	if s := data[2:]; s[0]&0x7f != 0x70 || s[2] != key || s[12] != asc || s[13] != ascq {
		i.t.Errorf("sense % x, want %x/%02x/%02x", s, key, asc, ascq)
	}
}

func TestFUAFlushes(t *testing.T) {
	i, disk := start(t, nil)
	i.write10(0, make([]byte, 512))
	if n := disk.flushes.Load(); n != 0 {
		t.Errorf("%d flushes after a plain write", n)
	}
	i.command(pdu.SCSICommand{Final: true, Write: true, Expected: 512}, make([]byte, 512), 0x2a, 0x08, 0, 0, 0, 0, 0, 0, 1)
	var r pdu.SCSIResponse
	if i.expect(&r); r.Status != 0 || disk.flushes.Load() != 1 {
		t.Errorf("response %+v, %d flushes", r, disk.flushes.Load())
	}
	i.command(pdu.SCSICommand{Final: true}, nil, 0x35)
	if i.expect(&r); r.Status != 0 || disk.flushes.Load() != 2 {
		t.Errorf("response %+v, %d flushes", r, disk.flushes.Load())
	}
}

// WRITE SAME with no data must not be taken for "write zeros".
func TestWriteSameNeedsItsBlock(t *testing.T) {
	i, disk := start(t, nil)
	want := random(4096)
	disk.set(want)
	for _, n := range []int{0, 1024} {
		i.command(pdu.SCSICommand{Final: true, Write: true, Expected: uint32(n)}, make([]byte, n), 0x41, 0, 0, 0, 0, 0, 0, 0, 8)
		i.expectSense(5, 0x24, 0)
	}
	if !bytes.Equal(disk.bytes(0, 4096), want) {
		t.Error("the disk was changed")
	}
}

func TestCmdSNWindow(t *testing.T) {
	i, _ := start(t, nil)
	for _, sn := range []uint32{i.cmdSN - 1, i.cmdSN + fullWindow, i.cmdSN + 1<<31} {
		right := i.cmdSN
		i.cmdSN = sn
		i.command(pdu.SCSICommand{Final: true, Read: true, Expected: 512}, nil, 0x28, 0, 0, 0, 0, 0, 0, 0, 1)
		i.cmdSN = right
	}
	// Those were dropped without an answer: the next PDU is for this one.
	itt := i.command(pdu.SCSICommand{Final: true}, nil, 0)
	var r pdu.SCSIResponse
	if i.expect(&r); r.ITT != itt {
		t.Errorf("answer for task %d, want %d", r.ITT, itt)
	}
	if r.ExpCmdSN != i.cmdSN || r.MaxCmdSN != i.cmdSN+fullWindow-1 {
		t.Errorf("window %d to %d, next is %d", r.ExpCmdSN, r.MaxCmdSN, i.cmdSN)
	}
	i.cmdSN += 5 // within the window, but a gap that nothing can fill
	i.command(pdu.SCSICommand{Final: true}, nil, 0)
	i.expectEnd()
}

// Commands that have not ended narrow the window, and give it back.
func TestWindowCountsOutstanding(t *testing.T) {
	i, disk := start(t, nil)
	disk.gate = make(chan struct{}, 3)
	for range 3 {
		i.command(pdu.SCSICommand{Final: true, Write: true, Expected: 512}, make([]byte, 512), writeCDB(0, 1)...)
	}
	i.send(&pdu.NopOut{Immediate: true, ITT: 77, TTT: pdu.NoTag, CmdSN: i.cmdSN}, nil)
	var n pdu.NopIn
	if i.expect(&n); n.MaxCmdSN-n.ExpCmdSN+1 != fullWindow-3 {
		t.Errorf("window of %d with 3 outstanding", n.MaxCmdSN-n.ExpCmdSN+1)
	}
	for range 3 {
		disk.gate <- struct{}{}
		i.expect(&pdu.SCSIResponse{})
	}
	i.send(&pdu.NopOut{Immediate: true, ITT: 78, TTT: pdu.NoTag, CmdSN: i.cmdSN}, nil)
	if i.expect(&n); n.MaxCmdSN-n.ExpCmdSN+1 != fullWindow {
		t.Errorf("window of %d with none outstanding", n.MaxCmdSN-n.ExpCmdSN+1)
	}
}

func TestProtocolErrorsEndTheSession(t *testing.T) {
	for name, send := range map[string]func(*initiator){
		"oversize data segment": func(i *initiator) { i.send(&pdu.NopOut{ITT: 1, DataLength: ourMaxData + 1}, nil) },
		"too much immediate data": func(i *initiator) {
			i.command(pdu.SCSICommand{Final: true, Write: true, Expected: 65536 * 2}, make([]byte, 65536+4), writeCDB(0, 255)...)
		},
		"immediate data beyond expected": func(i *initiator) {
			i.command(pdu.SCSICommand{Final: true, Write: true, Expected: 512}, make([]byte, 1024), writeCDB(0, 1)...)
		},
		"login again": func(i *initiator) { i.conn.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			i, _ := start(t, nil)
			send(i)
			i.expectEnd()
		})
	}
}

func TestWrongDigestEndsTheSession(t *testing.T) {
	i, disk := start(t, func(i *initiator) {
		i.digests = true
		i.keys = "HeaderDigest=CRC32C\x00DataDigest=CRC32C\x00InitialR2T=No\x00ImmediateData=Yes\x00"
	})
	c := pdu.SCSICommand{Final: true, Write: true, Expected: 512, DataLength: 512, ITT: 1, CmdSN: i.cmdSN}
	copy(c.CDB[:], writeCDB(0, 1))
	b, _ := c.AppendBinary(nil)
	b = appendDigest(b, pdu.Digest(0).Add(b))
	b = append(b, bytes.Repeat([]byte{1}, 512)...)
	b = append(b, 1, 2, 3, 4)
	_, _ = i.conn.Write(b)
	var r pdu.Reject
	if i.expect(&r); r.Reason != pdu.RejectDataDigest {
		t.Errorf("reject %+v", r)
	}
	i.expectEnd()
	if disk.bytes(0, 1)[0] != 0 {
		t.Error("data with a wrong digest was written")
	}
}

// Data out of order fails its command; the session goes on.
func TestDataOutOfOrder(t *testing.T) {
	i, _ := start(t, func(i *initiator) { i.ipxe() })
	for name, bad := range map[string]pdu.DataOut{
		"DataSN":     {Final: true, DataLength: 1024, DataSN: 1},
		"offset":     {Final: true, DataLength: 512, Offset: 512},
		"too much":   {Final: true, DataLength: 1536},
		"too little": {Final: true, DataLength: 512},
		"not final":  {DataLength: 1024, DataSN: 1},
		"other tag":  {Final: true, DataLength: 1024, TTT: 12345},
	} {
		itt := i.command(pdu.SCSICommand{Final: true, Write: true, Expected: 1024}, nil, writeCDB(0, 2)...)
		var r2t pdu.R2T
		i.expect(&r2t)
		bad.ITT, bad.TTT = itt, bad.TTT+r2t.TTT
		i.send(&bad, make([]byte, bad.DataLength))
		t.Log(name)
		if !bad.Final { // nothing is answered before the last PDU of the burst
			i.send(&pdu.NopOut{Immediate: true, ITT: 99, TTT: pdu.NoTag, CmdSN: i.cmdSN}, nil)
			i.expect(&pdu.NopIn{})
			bad.Final = true
			i.send(&bad, make([]byte, bad.DataLength))
		}
		i.expectSense(0x0b, 0x47, 0x05)
		i.send(&bad, make([]byte, bad.DataLength)) // of a task that is gone: dropped
	}
	if r := i.write(0, make([]byte, 512), 0, 0, 512); r.Status != 0 {
		t.Errorf("next write: %+v", r)
	}
}

// A failed command with unsolicited data to come is answered after it came.
func TestFailureWaitsForUnsolicitedData(t *testing.T) {
	i, _ := start(t, nil)
	itt := i.command(pdu.SCSICommand{Write: true, Expected: 2048}, make([]byte, 512), 0x2a, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 4)
	i.send(&pdu.NopOut{Immediate: true, ITT: 99, TTT: pdu.NoTag, CmdSN: i.cmdSN}, nil)
	i.expect(&pdu.NopIn{}) // and not the response
	i.send(&pdu.DataOut{Final: true, DataLength: 1536, ITT: itt, TTT: pdu.NoTag, Offset: 512}, make([]byte, 1536))
	i.expectSense(5, 0x21, 0)
}

// Without room for write data, unsolicited data makes a command BUSY, a
// solicited one waits; the session that holds nothing always goes on.
func TestWriteBudget(t *testing.T) {
	disk := newMemory(4 << 20)
	disk.gate = make(chan struct{})
	_, addr := serve(t, Options{Authority: newAuthority(disk), WriteBudget: 4096})
	one, two := dial(t, addr).login(), dial(t, addr).as(testUser, testSecret, 2).login()
	for _, i := range []*initiator{one, two} { // each may overdraw once
		i.command(pdu.SCSICommand{Final: true, Write: true, Expected: 512}, make([]byte, 512), writeCDB(0, 1)...)
		eventually(t, "the write is under way", func() bool { return disk.busy.Load() > 0 })
		i.command(pdu.SCSICommand{Final: true, Write: true, Expected: 512}, make([]byte, 512), writeCDB(0, 1)...)
		var r pdu.SCSIResponse
		if i.expect(&r); r.Status != 8 {
			t.Errorf("response %+v, want BUSY", r)
		}
	}
	itt := one.command(pdu.SCSICommand{Final: true, Write: true, Expected: 512}, nil, writeCDB(1, 1)...)
	close(disk.gate)
	one.expect(&pdu.SCSIResponse{})
	var r2t pdu.R2T
	if one.expect(&r2t); r2t.ITT != itt {
		t.Fatalf("R2T %+v", r2t)
	}
	one.burst(itt, r2t.TTT, make([]byte, 512), 0, 512, 512)
	var r pdu.SCSIResponse
	if one.expect(&r); r.Status != 0 || r.ITT != itt {
		t.Errorf("response %+v", r)
	}
}

func TestBudgetComesBack(t *testing.T) {
	a := newAuthority(newMemory(4 << 20))
	s, addr := serve(t, Options{Authority: a})
	i := dial(t, addr).login()
	i.write(0, random(128<<10), 65536, 0, 8192)
	i.command(pdu.SCSICommand{Write: true, Expected: 65536}, make([]byte, 512), writeCDB(0, 128)...) // never completed
	i.command(pdu.SCSICommand{Final: true, Write: true, Expected: 65536}, nil, writeCDB(0, 128)...)  // R2T never answered
	i.expect(&pdu.R2T{})
	i.conn.Close()
	eventually(t, "all write memory is free again", func() bool {
		s.budget.mu.Lock()
		defer s.budget.mu.Unlock()
		return s.budget.free == s.budget.all && len(s.Sessions()) == 0
	})
}

func TestNopText(t *testing.T) {
	i, _ := start(t, nil)
	i.send(&pdu.NopOut{ITT: 5, TTT: pdu.NoTag, CmdSN: i.cmdSN, DataLength: 5}, []byte("hello"))
	i.cmdSN++
	var n pdu.NopIn
	if data := i.expect(&n); string(data) != "hello" || n.ITT != 5 || n.TTT != pdu.NoTag || n.ExpCmdSN != i.cmdSN {
		t.Errorf("NOP-In %+v with %q", n, data)
	}
	text := []byte("SendTargets=\x00")
	i.send(&pdu.TextRequest{Immediate: true, Final: true, ITT: 6, TTT: pdu.NoTag, CmdSN: i.cmdSN, DataLength: len(text)}, text)
	var r pdu.TextResponse
	want := "TargetName=" + testTarget + "\x00TargetAddress=" + i.conn.RemoteAddr().String() + ",1\x00"
	if data := i.expect(&r); string(data) != want || !r.Final || r.TTT != pdu.NoTag {
		t.Errorf("text response %+v with %q", r, data)
	}
	i.send(&pdu.LogoutRequest{Reason: pdu.LogoutSession, ITT: 7, CmdSN: i.cmdSN}, nil)
	var l pdu.LogoutResponse
	if i.expect(&l); l.Response != pdu.LogoutDone || l.ITT != 7 {
		t.Errorf("logout response %+v", l)
	}
	i.expectEnd()
}

func TestDiscovery(t *testing.T) {
	i, _ := start(t, func(i *initiator) { i.session = "Discovery" })
	for which, want := range map[string]bool{"All": true, testTarget: true, "iqn.other": false} {
		text := []byte("SendTargets=" + which + "\x00")
		i.send(&pdu.TextRequest{Final: true, ITT: 6, TTT: pdu.NoTag, CmdSN: i.cmdSN, DataLength: len(text)}, text)
		i.cmdSN++
		var r pdu.TextResponse
		if data := i.expect(&r); bytes.Contains(data, []byte(testTarget)) != want {
			t.Errorf("SendTargets=%s: %q", which, data)
		}
	}
	i.command(pdu.SCSICommand{Final: true}, nil, 0)
	var r pdu.Reject
	if i.expect(&r); r.Reason != pdu.RejectProtocolError {
		t.Errorf("command in discovery: %+v", r)
	}
}

// An answer longer than the initiator takes comes in parts.
func TestTextInParts(t *testing.T) {
	i, _ := start(t, func(i *initiator) { i.session, i.keys = "Discovery", "MaxRecvDataSegmentLength=512\x00" })
	var text []byte
	for k := range 40 {
		text = pdu.AppendText(text, fmt.Sprintf("X-key%d", k), "value")
	}
	req := pdu.TextRequest{Immediate: true, Final: true, ITT: 6, TTT: pdu.NoTag, CmdSN: i.cmdSN, DataLength: len(text)}
	i.send(&req, text)
	var all []byte
	for {
		var r pdu.TextResponse
		data := i.expect(&r)
		all = append(all, data...)
		if r.Final {
			break
		}
		if !r.Continue || r.TTT == pdu.NoTag || len(data) > 512 {
			t.Fatalf("part %+v", r)
		}
		i.send(&pdu.TextRequest{Immediate: true, Final: true, ITT: 6, TTT: r.TTT, CmdSN: i.cmdSN}, nil)
	}
	if pairs, err := pdu.ParseText(all); err != nil || len(pairs) != 40 {
		t.Errorf("%d answers, %v", len(pairs), err)
	}
}

func TestReject(t *testing.T) {
	i, _ := start(t, nil)
	head := make([]byte, pdu.HeaderSize)
	head[0] = 0x1c // vendor-specific
	if _, err := i.conn.Write(head); err != nil {
		t.Fatal(err)
	}
	var r pdu.Reject
	if data := i.expect(&r); r.Reason != pdu.RejectNotSupported || !bytes.Equal(data, head) {
		t.Errorf("reject %+v with % x", r, data)
	}
}

func TestAbsentLUN(t *testing.T) {
	i, _ := start(t, nil)
	i.command(pdu.SCSICommand{Final: true, LUN: pdu.LUNField(9)}, nil, 0)
	i.expectSense(5, 0x25, 0)
	i.command(pdu.SCSICommand{Final: true, Read: true, Expected: 36, LUN: pdu.LUNField(9)}, nil, 0x12, 0, 0, 0, 36)
	var d pdu.DataIn
	if data := i.expect(&d); len(data) != 36 || data[0] != 0x7f {
		t.Errorf("INQUIRY: % x", data)
	}
	i.command(pdu.SCSICommand{Final: true, Read: true, Expected: 64}, nil, 0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 64)
	if data := i.expect(&d); len(data) != 24 || data[9] != 0 || data[17] != 1 {
		t.Errorf("REPORT LUNS: % x", data)
	}
}

func (i *initiator) manage(p pdu.TaskRequest) {
	i.t.Helper()
	p.Immediate, p.ITT, p.CmdSN = true, 1000, i.cmdSN
	i.send(&p, nil)
}

func (i *initiator) abortTask(itt uint32) {
	i.t.Helper()
	i.manage(pdu.TaskRequest{Function: pdu.TaskAbortTask, RefITT: itt})
	var r pdu.TaskResponse
	if i.expect(&r); r.Response != pdu.TaskComplete {
		i.t.Errorf("abort: %+v", r)
	}
}

// The response to an abort promises that the task touches the disk no more.
func TestAbortTask(t *testing.T) {
	i, disk := start(t, nil)
	disk.gate = make(chan struct{})
	itt := i.command(pdu.SCSICommand{Final: true, Write: true, Expected: 512}, make([]byte, 512), writeCDB(0, 1)...)
	eventually(t, "the write is under way", func() bool { return disk.busy.Load() == 1 })
	i.manage(pdu.TaskRequest{Function: pdu.TaskAbortTask, RefITT: itt})
	go func() {
		time.Sleep(20 * time.Millisecond)
		disk.gate <- struct{}{}
	}()
	var r pdu.TaskResponse // and no SCSI response before it
	if i.expect(&r); r.Response != pdu.TaskComplete || disk.busy.Load() != 0 {
		t.Errorf("response %+v, %d writes under way", r, disk.busy.Load())
	}
	i.manage(pdu.TaskRequest{Function: pdu.TaskAbortTask, RefITT: itt})
	if i.expect(&r); r.Response != pdu.TaskNoSuchTask {
		t.Errorf("second abort: %+v", r)
	}
	// One that waits for its data.
	itt = i.command(pdu.SCSICommand{Final: true, Write: true, Expected: 512}, nil, writeCDB(0, 1)...)
	i.expect(&pdu.R2T{})
	i.manage(pdu.TaskRequest{Function: pdu.TaskAbortTask, RefITT: itt})
	if i.expect(&r); r.Response != pdu.TaskComplete {
		t.Errorf("abort of a waiting task: %+v", r)
	}
}

// Who aborts a command that never came is told that it has ended, and goes on
// with the next number (RFC 7143, 11.6.1 b).
func TestAbortOfMissing(t *testing.T) {
	i, _ := start(t, nil)
	lost := i.cmdSN
	i.cmdSN += 3
	for _, tt := range []struct {
		ref  uint32
		want byte
	}{
		{lost - 1, pdu.TaskNoSuchTask}, // received
		{lost + 3, pdu.TaskNoSuchTask}, // not older than the request
		{lost + 1<<20, pdu.TaskNoSuchTask},
		{lost + 1, pdu.TaskComplete},
		{lost, pdu.TaskComplete},
		{lost, pdu.TaskNoSuchTask}, // now it counts as received
		{lost + 2, pdu.TaskComplete},
	} {
		i.manage(pdu.TaskRequest{Function: pdu.TaskAbortTask, RefITT: 77, RefCmdSN: tt.ref})
		var r pdu.TaskResponse
		if i.expect(&r); r.Response != tt.want || r.MaxCmdSN-r.ExpCmdSN != fullWindow-1 && tt.ref == lost+2 {
			t.Errorf("abort of %d: %+v", int32(tt.ref-lost), r)
		}
	}
	if r := i.write10(0, make([]byte, 512)); r.Status != 0 || r.ExpCmdSN != lost+4 {
		t.Errorf("the next command: %+v", r)
	}
}

// A LUN reset ends the tasks of all sessions and tells each of it.
func TestLUNReset(t *testing.T) {
	disk := newMemory(1 << 20)
	_, addr := serve(t, Options{Authority: newAuthority(disk)})
	one, two := dial(t, addr).login(), dial(t, addr).as(testUser, testSecret, 2).login()
	two.command(pdu.SCSICommand{Final: true, Write: true, Expected: 512}, nil, writeCDB(0, 1)...)
	var r2t pdu.R2T
	two.expect(&r2t)
	one.manage(pdu.TaskRequest{Function: pdu.TaskLUNReset})
	var r pdu.TaskResponse
	if one.expect(&r); r.Response != pdu.TaskComplete {
		t.Fatalf("response %+v", r)
	}
	two.burst(r2t.ITT, r2t.TTT, bytes.Repeat([]byte{9}, 512), 0, 512, 512) // too late
	for _, i := range []*initiator{one, two} {
		i.command(pdu.SCSICommand{Final: true}, nil, 0)
		i.expectSense(6, 0x29, 3)
		i.command(pdu.SCSICommand{Final: true}, nil, 0)
		var r pdu.SCSIResponse
		if i.expect(&r); r.Status != 0 {
			t.Errorf("second command after the reset: %+v", r)
		}
	}
	if disk.bytes(0, 1)[0] != 0 {
		t.Error("an ended task wrote")
	}
	one.manage(pdu.TaskRequest{Function: pdu.TaskLUNReset, LUN: pdu.LUNField(9)})
	if one.expect(&r); r.Response != pdu.TaskNoSuchLUN {
		t.Errorf("reset of no LUN: %+v", r)
	}
	one.manage(pdu.TaskRequest{Function: pdu.TaskClearACA})
	if one.expect(&r); r.Response != pdu.TaskNotSupported {
		t.Errorf("clear ACA: %+v", r)
	}
}

// A command while the reader is free: a slow write must not hold a ping back.
func TestSlowWriteHoldsNothingBack(t *testing.T) {
	i, disk := start(t, nil)
	disk.gate = make(chan struct{})
	for range 40 { // more than there are workers
		i.command(pdu.SCSICommand{Final: true, Write: true, Expected: 512}, make([]byte, 512), writeCDB(0, 1)...)
	}
	i.send(&pdu.NopOut{Immediate: true, ITT: 99, TTT: pdu.NoTag, CmdSN: i.cmdSN}, nil)
	i.expect(&pdu.NopIn{})
	if got := i.read10(0, 1); len(got) != 512 {
		t.Error("no data")
	}
	close(disk.gate)
	for range 40 {
		i.expect(&pdu.SCSIResponse{})
	}
}

// READs from a disk that is not in memory go to workers; each is answered
// once, and they do not wait for one another.
func TestColdReads(t *testing.T) {
	for _, slow := range []time.Duration{slowRead * 2, 0} {
		disk := newMemory(1 << 20)
		disk.set(random(1 << 20))
		disk.slow.Store(int64(slow))
		disk.sluice = make(chan struct{}, 1)
		_, addr := serve(t, Options{Authority: newAuthority(disk)})
		i := dial(t, addr).login()
		const count = 100
		want := make(map[uint32]int)
		answered := func() {
			t.Helper()
			var d pdu.DataIn
			data := i.expect(&d)
			k, ok := want[d.ITT]
			if !ok || !d.HasStatus || !bytes.Equal(data, disk.bytes(k*512, k*512+512)) {
				t.Fatalf("Data-In %+v", d)
			}
			delete(want, d.ITT)
		}
		for k := range count {
			itt := i.command(pdu.SCSICommand{Final: true, Read: true, Expected: 512}, nil, 0x28, 0, 0, 0, 0, byte(k), 0, 0, 1)
			want[itt] = k
			if k == 0 {
				disk.sluice <- struct{}{}
				answered() // and found slow
			}
		}
		if slow > 0 {
			eventually(t, "every worker reads", func() bool { return disk.reading.Load() == maxWorkers })
		}
		close(disk.sluice)
		for range count - 1 {
			answered()
		}
		itt := i.command(pdu.SCSICommand{Final: true}, nil, 0)
		var r pdu.SCSIResponse
		if i.expect(&r); r.ITT != itt || r.MaxCmdSN-r.ExpCmdSN+1 != fullWindow {
			t.Errorf("after the reads: %+v", r)
		}
	}
}

// A worker that is done before the reader has let go of the READ.
func TestFastColdReads(t *testing.T) {
	i, disk := start(t, nil)
	for range 20 {
		disk.slow.Store(int64(2 * slowRead))
		i.read10(0, 1)
		disk.slow.Store(0)
		for range coldReads {
			i.read10(0, 1) // fails at a second answer to the one before
		}
	}
}

// A READ that fails on a worker is answered once, too.
func TestColdReadFails(t *testing.T) {
	i, disk := start(t, nil)
	disk.slow.Store(int64(2 * slowRead))
	i.read10(0, 1)
	err := error(block.ErrCorrupt)
	disk.fail.Store(&err)
	for range 3 {
		i.command(pdu.SCSICommand{Final: true, Read: true, Expected: 512}, nil, 0x28, 0, 0, 0, 0, 0, 0, 0, 1)
		i.expectSense(3, 0x11, 0)
	}
}

// A READ that the logout has overtaken is not answered: without its data that
// would be taken for a success.
func TestLogoutEndsRead(t *testing.T) {
	disk := newMemory(1 << 20)
	disk.slow.Store(int64(100 * time.Millisecond))
	s, addr := serve(t, Options{Authority: newAuthority(disk)})
	i := dial(t, addr).login()
	i.attributed(pdu.AttrOrdered, pdu.SCSICommand{Final: true, Read: true, Expected: 512}, nil, 0x28, 0, 0, 0, 0, 0, 0, 0, 1)
	sess := s.sessionsOn(testTarget)[0]
	eventually(t, "the READ is under way", func() bool {
		sess.mu.Lock()
		defer sess.mu.Unlock()
		return sess.workers == 1 && sess.jobs.size == 0
	})
	i.send(&pdu.LogoutRequest{Immediate: true, Reason: pdu.LogoutSession, ITT: 7, CmdSN: i.cmdSN}, nil)
	i.expect(&pdu.LogoutResponse{})
}
