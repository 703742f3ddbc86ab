package initiator

import (
	"bytes"
	"io"
	"net"
	"time"
)

// Pretend is a session past its login, which reads in and then nothing more.
func Pretend(in []byte, o Options) *Session {
	s := newSession(&tape{in: bytes.NewReader(in)}, &o)
	s.begin(&login{o: &o, cmdSN: 1, expStatSN: 2, got: Negotiated{
		ImmediateData: true, MaxData: 8192, MaxBurst: 64 << 10, FirstBurst: 4096,
	}})
	return s
}

// tape is a connection that plays bytes and swallows what is written to it.
type tape struct{ in io.Reader }

func (c *tape) Read(p []byte) (int, error)       { return c.in.Read(p) }
func (c *tape) Write(p []byte) (int, error)      { return len(p), nil }
func (c *tape) Close() error                     { return nil }
func (c *tape) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (c *tape) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (c *tape) SetDeadline(time.Time) error      { return nil }
func (c *tape) SetReadDeadline(time.Time) error  { return nil }
func (c *tape) SetWriteDeadline(time.Time) error { return nil }
