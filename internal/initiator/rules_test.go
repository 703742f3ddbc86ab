package initiator_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"bootes.dev/internal/initiator"
	"bootes.dev/internal/iscsi/pdu"
)

// scripted is a target that lets anybody in and answers the first command as
// answer says.
func scripted(t *testing.T, answer func(conn net.Conn, c pdu.SCSICommand)) string {
	return script(t, func(conn net.Conn) {
		in := bufio.NewReader(conn)
		var req pdu.LoginRequest
		for sn := uint32(0); sn < 2; sn++ {
			if request(in, &req) != nil {
				return
			}
			r := pdu.LoginResponse{
				Transit: true, Stage: req.Stage, Next: req.Next, ISID: req.ISID, TSIH: 1,
				Sequence: pdu.Sequence{StatSN: sn, ExpCmdSN: 1, MaxCmdSN: 4},
			}
			var text []byte
			if sn == 1 {
				text = pdu.AppendText(text, "HeaderDigest", "None")
			}
			r.DataLength = len(text)
			send(conn, &r, text)
		}
		var c pdu.SCSICommand
		if request(in, &c) == nil {
			answer(conn, c)
			_ = request(in, &c) // until the initiator is gone
		}
	})
}

// A target that breaks a rule ends the session, with words that say which.
func TestBrokenRules(t *testing.T) {
	next := pdu.Sequence{StatSN: 2, ExpCmdSN: 2, MaxCmdSN: 5}
	for name, c := range map[string]struct {
		want   string
		answer func(net.Conn, pdu.SCSICommand)
	}{
		"StatSN": {"StatSN 7 where 2 was expected", func(conn net.Conn, c pdu.SCSICommand) {
			send(conn, &pdu.SCSIResponse{ITT: c.ITT, Sequence: pdu.Sequence{StatSN: 7}}, nil)
		}},
		"tag": {"no such task", func(conn net.Conn, c pdu.SCSICommand) {
			send(conn, &pdu.SCSIResponse{ITT: c.ITT + 1, Sequence: next}, nil)
		}},
		"kind of tag": {"no such task", func(conn net.Conn, c pdu.SCSICommand) {
			send(conn, &pdu.TaskResponse{ITT: c.ITT, Sequence: next}, nil)
		}},
		"offset": {"expected at 0", func(conn net.Conn, c pdu.SCSICommand) {
			send(conn, &pdu.DataIn{ITT: c.ITT, DataLength: 4, Offset: 4, Sequence: next}, make([]byte, 4))
		}},
		"too much": {"Data-In of 516 bytes at 0 of 512", func(conn net.Conn, c pdu.SCSICommand) {
			send(conn, &pdu.DataIn{ITT: c.ITT, DataLength: 516, Sequence: next}, make([]byte, 516))
		}},
		"DataSN": {"DataSN 1 where 0 was expected", func(conn net.Conn, c pdu.SCSICommand) {
			send(conn, &pdu.DataIn{ITT: c.ITT, DataLength: 4, DataSN: 1, Sequence: next}, make([]byte, 4))
		}},
		"short": {"12 bytes are missing from a READ, residual 0", func(conn net.Conn, c pdu.SCSICommand) {
			send(conn, &pdu.DataIn{ITT: c.ITT, HasStatus: true, Final: true, DataLength: 500, Sequence: next}, make([]byte, 500))
		}},
		"residuals": {"both overflow and underflow", func(conn net.Conn, c pdu.SCSICommand) {
			send(conn, &pdu.SCSIResponse{ITT: c.ITT, Sequence: next, Overflow: true, Underflow: true}, nil)
		}},
		"ExpDataSN": {"ExpDataSN 3 after 0 Data-Ins and R2Ts", func(conn net.Conn, c pdu.SCSICommand) {
			send(conn, &pdu.SCSIResponse{ITT: c.ITT, Sequence: next, ExpDataSN: 3}, nil)
		}},
		"R2T of a READ": {"R2T for 512 bytes at 0 of 0", func(conn net.Conn, c pdu.SCSICommand) {
			send(conn, &pdu.R2T{ITT: c.ITT, Length: 512, Sequence: next}, nil)
		}},
		"response": {"response code 01 to a command", func(conn net.Conn, c pdu.SCSICommand) {
			send(conn, &pdu.SCSIResponse{ITT: c.ITT, Response: 1, Sequence: next}, nil)
		}},
		"reject": {"it rejects a PDU for reason 04", func(conn net.Conn, c pdu.SCSICommand) {
			send(conn, &pdu.Reject{Reason: 4, Sequence: next}, nil)
		}},
		"opcode": {"opcode 3e", func(conn net.Conn, c pdu.SCSICommand) {
			_, _ = conn.Write(append([]byte{0x3e}, make([]byte, 47)...))
		}},
		"length": {"data segment of 16777215 bytes", func(conn net.Conn, c pdu.SCSICommand) {
			_, _ = conn.Write(append([]byte{0x25, 0, 0, 0, 0, 0xff, 0xff, 0xff}, make([]byte, 40)...))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			o := initiator.Options{Initiator: initiatorName, Target: targetName}
			s := dial(t, scripted(t, c.answer), o)
			_, err := s.Do(limit(t), 0, []byte{0x28, 8: 1, 9: 0}, nil, make([]byte, 512))
			if !errors.Is(err, initiator.ErrProtocol) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

// Sense, in both formats, and statuses without any.
func TestStatusError(t *testing.T) {
	for want, c := range map[string]struct {
		status byte
		sense  []byte
	}{
		"command failed with sense 5/24/01": {2, []byte{0x70, 2: 5, 12: 0x24, 13: 1, 17: 0}},
		"command failed with sense b/0e/03": {2, []byte{0x72, 0x0b, 0x0e, 3}},
		"command failed with sense 0/00/00": {2, nil},
		"command failed with status 08":     {8, nil},
	} {
		s := dial(t, scripted(t, func(conn net.Conn, cmd pdu.SCSICommand) {
			data := append(binary.BigEndian.AppendUint16(nil, uint16(len(c.sense))), c.sense...)
			send(conn, &pdu.SCSIResponse{
				ITT: cmd.ITT, Status: c.status, DataLength: len(data), Sequence: pdu.Sequence{StatSN: 2, MaxCmdSN: 5},
			}, data)
		}), initiator.Options{Initiator: initiatorName, Target: targetName})
		r, err := s.Do(context.Background(), 0, []byte{5: 0}, nil, nil)
		if err != nil || r.Err() == nil || r.Err().Error() != want {
			t.Errorf("%v, %v; want %q", r.Err(), err, want)
		}
	}
}

func TestMisuse(t *testing.T) {
	d, _ := start(t, func(o *initiator.Options) { o.Depth = 1 })
	_, err := d.Session().Do(limit(t), 0, make([]byte, 17), nil, nil)
	if err == nil || err.Error() != "run command 00: CDB of 17 bytes" {
		t.Error(err)
	}
	_, err = d.Session().Do(limit(t), 0, make([]byte, 6), make([]byte, 1), make([]byte, 1))
	if err == nil || err.Error() != "start command 00: data in both directions" {
		t.Error(err)
	}
	done := make(chan error, 2)
	one := initiator.Command{Done: func(c *initiator.Command) { done <- c.Err }}
	two := one
	if err := d.Session().Start(&one); err != nil {
		t.Fatal(err)
	}
	if err := d.Session().Start(&two); err == nil || err.Error() != "more commands than the depth of the queue" {
		t.Error(err)
	}
	d.Session().Send()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestStamps(t *testing.T) {
	p := make([]byte, 1024)
	initiator.Stamp(p, 4096, 7)
	if err := initiator.CheckStamp(p, 4096, 7); err != nil {
		t.Error(err)
	}
	if initiator.CheckStamp(p[512:], 4608, 7) != nil {
		t.Error("a part is not what the whole was")
	}
	if initiator.CheckStamp(p, 4608, 7) == nil || initiator.CheckStamp(p, 4096, 8) == nil {
		t.Error("another place or generation has the same stamp")
	}
	p[1023]++
	if err := initiator.CheckStamp(p, 4096, 7); err == nil || !strings.Contains(err.Error(), "at 5112 there is ") {
		t.Error(err)
	}
}

// FuzzTarget feeds an initiator that has logged in what a target could send.
func FuzzTarget(f *testing.F) {
	next := pdu.Sequence{StatSN: 2, ExpCmdSN: 2, MaxCmdSN: 9}
	for _, p := range []interface{ AppendBinary([]byte) ([]byte, error) }{
		&pdu.DataIn{ITT: 1 << 16, HasStatus: true, Final: true, DataLength: 8, Sequence: next},
		&pdu.SCSIResponse{ITT: 1 << 16, Sequence: next}, &pdu.R2T{ITT: 1<<16 + 1, Length: 512, Sequence: next},
		&pdu.NopIn{ITT: pdu.NoTag, TTT: 1, Sequence: next}, &pdu.AsyncMessage{Sequence: next}, &pdu.Reject{Sequence: next},
		&pdu.TextResponse{Sequence: next}, &pdu.LogoutResponse{Sequence: next},
	} {
		b, _ := p.AppendBinary(nil)
		f.Add(append(b, make([]byte, 16)...))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		s := initiator.Pretend(in, initiator.Options{Depth: 4, MaxData: 4096})
		read, write := initiator.Command{In: make([]byte, 512)}, initiator.Command{Out: make([]byte, 64<<10)}
		done := make(chan struct{}, 2)
		read.Done = func(*initiator.Command) { done <- struct{}{} }
		write.Done = read.Done
		for _, c := range []*initiator.Command{&read, &write} {
			if s.Start(c) != nil { // the bytes have ended already
				done <- struct{}{}
			}
		}
		<-s.Done()
		<-done
		<-done
	})
}

// A command that a reset of another initiator has ended is not answered. Whoever
// gives it up finds out, and the session lives on; a target that refuses the abort
// ends it.
func TestAbortOfWhatIsGone(t *testing.T) {
	for code, want := range map[byte]string{
		pdu.TaskNoSuchTask: "context canceled",
		pdu.TaskRejected:   "abort command: task management response 255",
	} {
		s := dial(t, scripted(t, func(conn net.Conn, c pdu.SCSICommand) {
			var abort pdu.TaskRequest
			if request(bufio.NewReader(conn), &abort) == nil && abort.RefITT == c.ITT && abort.RefCmdSN == c.CmdSN {
				send(conn, &pdu.TaskResponse{Response: code, ITT: abort.ITT, Sequence: pdu.Sequence{StatSN: 2, MaxCmdSN: 5}}, nil)
			}
		}), initiator.Options{Initiator: initiatorName, Target: targetName})
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
		defer cancel()
		if _, err := s.Do(ctx, 0, []byte{5: 0}, nil, nil); err == nil || err.Error() != want {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
