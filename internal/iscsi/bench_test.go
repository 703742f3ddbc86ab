package iscsi

import (
	"fmt"
	"io"
	"testing"

	"bootes.dev/internal/iscsi/pdu"
)

// BenchmarkRead keeps depth READs outstanding over loopback. It measures the
// target and this crude initiator together.
func BenchmarkRead(b *testing.B) {
	for _, c := range []struct{ depth, blocks int }{{1, 8}, {32, 8}, {8, 512}} {
		b.Run(fmt.Sprintf("depth=%d/size=%dK", c.depth, c.blocks/2), func(b *testing.B) {
			_, addr := serveB(b)
			i := dial(b, addr)
			i.login()
			_ = i.conn.SetDeadline(noDeadline)
			size := c.blocks * 512
			answer := make([]byte, pdu.HeaderSize+size)
			req := pdu.SCSICommand{Final: true, Read: true, Expected: uint32(size), Attr: pdu.AttrSimple}
			req.CDB = [16]byte{0x28, 7: byte(c.blocks >> 8), 8: byte(c.blocks)}
			wire := make([]byte, 0, pdu.HeaderSize)
			ask := func() {
				req.CmdSN, req.ITT = i.cmdSN, i.cmdSN
				i.cmdSN++
				wire, _ = req.AppendBinary(wire[:0])
				if _, err := i.conn.Write(wire); err != nil {
					b.Fatal(err)
				}
			}
			b.SetBytes(int64(size))
			b.ReportAllocs()
			b.ResetTimer()
			asked := 0
			for done := 0; done < b.N; done++ {
				for ; asked < b.N && asked-done < c.depth; asked++ {
					ask()
				}
				if _, err := io.ReadFull(i.conn, answer); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
