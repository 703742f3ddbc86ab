package load

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"sync"

	"bootes.dev/internal/iscsi/pdu"
	"bootes.dev/internal/netif"
)

// Floor serves what no target can do with less: a bare loop that knows just
// enough of iSCSI to be spoken to, and answers each READ from one buffer in
// memory and drops what is written. What a target costs beyond it is the
// target's own; the rest is the kernel's and the network's.
func Floor(ctx context.Context, ln net.Listener) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	defer context.AfterFunc(ctx, func() { _ = ln.Close() })()
	for {
		conn, err := ln.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		wg.Go(func() {
			defer conn.Close()
			defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
			f := floor{conn: conn, in: bufio.NewReaderSize(conn, 32<<10), data: make([]byte, 1<<20)}
			for f.one() == nil {
			}
		})
	}
}

// Listen listens as Boötes does.
func Listen(address string) (net.Listener, error) {
	ln, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	near, _ := netif.Unpaced(ln)
	return near, nil
}

// floorSize of the floor's disk, in blocks of 512 bytes.
const floorSize = 1 << 20

type floor struct {
	conn   net.Conn
	in     *bufio.Reader
	head   [pdu.HeaderSize]byte
	out    []byte
	data   []byte
	statSN uint32
}

// one answers one PDU. Answers are gathered until nothing more has come.
func (f *floor) one() error {
	if f.in.Buffered() < pdu.HeaderSize && len(f.out) > 0 {
		if _, err := f.conn.Write(f.out); err != nil {
			return err
		}
		f.out = f.out[:0]
	}
	if _, err := io.ReadFull(f.in, f.head[:]); err != nil {
		return err
	}
	var h pdu.Header
	if err := h.UnmarshalBinary(f.head[:]); err != nil {
		return err
	}
	text := f.data[:h.DataLength+pdu.Pad(h.DataLength)]
	if _, err := io.ReadFull(f.in, text); err != nil {
		return err
	}
	switch h.Opcode {
	case pdu.OpLoginRequest:
		return f.login()
	case pdu.OpSCSICommand:
		return f.command()
	case pdu.OpDataOut:
		return nil
	}
	return io.EOF
}

var floorKeys = strings.NewReplacer(" ", "\x00").Replace(
	"HeaderDigest=None DataDigest=None InitialR2T=No ImmediateData=Yes MaxRecvDataSegmentLength=262144 MaxBurstLength=262144 FirstBurstLength=262144 ")

func (f *floor) login() error {
	var req pdu.LoginRequest
	if err := req.UnmarshalBinary(f.head[:]); err != nil {
		return err
	}
	text := "AuthMethod=None\x00"
	if req.Stage == pdu.OperationalStage {
		text = floorKeys
	}
	return f.put(&pdu.LoginResponse{
		Transit: true, Stage: req.Stage, Next: req.Next, ISID: req.ISID, TSIH: 1, ITT: req.ITT,
		Sequence: f.sequence(req.CmdSN), DataLength: len(text),
	}, []byte(text))
}

func (f *floor) command() error {
	var c pdu.SCSICommand
	if err := c.UnmarshalBinary(f.head[:]); err != nil {
		return err
	}
	if !c.Read {
		return f.put(&pdu.SCSIResponse{ITT: c.ITT, Sequence: f.sequence(c.CmdSN + 1)}, nil)
	}
	answer := f.data[:min(int(c.Expected), len(f.data))]
	if c.CDB[0] == 0x9e { // READ CAPACITY(16)
		binary.BigEndian.PutUint64(answer, floorSize-1)
		binary.BigEndian.PutUint32(answer[8:], 512)
	}
	return f.put(&pdu.DataIn{
		Final: true, HasStatus: true, ITT: c.ITT, TTT: pdu.NoTag, DataLength: len(answer), Sequence: f.sequence(c.CmdSN + 1),
	}, answer)
}

func (f *floor) sequence(expCmdSN uint32) pdu.Sequence {
	f.statSN++
	return pdu.Sequence{StatSN: f.statSN - 1, ExpCmdSN: expCmdSN, MaxCmdSN: expCmdSN + 127}
}

type appender interface {
	AppendBinary([]byte) ([]byte, error)
}

func (f *floor) put(p appender, data []byte) error {
	var err error
	f.out, err = p.AppendBinary(f.out)
	f.out = append(f.out, data...)
	f.out = append(f.out, make([]byte, pdu.Pad(len(data)))...)
	if len(f.out) > 256<<10 {
		_, werr := f.conn.Write(f.out)
		f.out, err = f.out[:0], errors.Join(err, werr)
	}
	return err
}
