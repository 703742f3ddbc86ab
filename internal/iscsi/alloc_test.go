package iscsi

import (
	"io"
	"testing"

	"bootes.dev/internal/iscsi/pdu"
)

// A READ and a WRITE cost no allocation, counted over the whole process.
func TestNoAllocationPerCommand(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	for _, c := range []struct {
		name   string
		req    pdu.SCSICommand
		answer int
	}{
		{"read", pdu.SCSICommand{Final: true, Read: true, Expected: 4096, CDB: [16]byte{0x28, 8: 8}}, pdu.HeaderSize + 4096},
		{"write", pdu.SCSICommand{Final: true, Write: true, Expected: 4096, DataLength: 4096, CDB: [16]byte{0x2a, 8: 8}}, pdu.HeaderSize},
	} {
		i, _ := start(t, nil)
		wire, answer := make([]byte, 0, 8192), make([]byte, c.answer)
		n := testing.AllocsPerRun(2000, func() {
			c.req.CmdSN, c.req.ITT = i.cmdSN, i.cmdSN
			i.cmdSN++
			wire, _ = c.req.AppendBinary(wire[:0])
			wire = wire[:len(wire)+c.req.DataLength]
			if _, err := i.conn.Write(wire); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(i.conn, answer); err != nil {
				t.Fatal(err)
			}
		})
		if n >= 1 {
			t.Errorf("%s: %v allocations", c.name, n)
		}
	}
}

// Buffers are aligned for direct I/O.
func TestBuffersAligned(t *testing.T) {
	for _, n := range []int{1, 4096, 4097, 65536, maxPiece} {
		b := newBuffer(n)
		if len(b.b) < n || !aligned(b.b) {
			t.Errorf("buffer for %d: %d bytes at %p", n, len(b.b), b.b)
		}
		b.release()
	}
}
