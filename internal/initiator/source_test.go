package initiator

import (
	"bufio"
	"bytes"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"testing"

	"bootes.dev/internal/iscsi/pdu"
)

// asked is a connection that notes how much it is asked for at once.
type asked struct {
	net.Conn
	data  io.Reader
	sizes []int
}

func (a *asked) Read(p []byte) (int, error) {
	a.sizes = append(a.sizes, len(p))
	return a.data.Read(p)
}

// Long data comes to its place without a stay in the buffer, and what follows it is
// complete.
func TestLongDataGoesPastTheBuffer(t *testing.T) {
	const long, short = 256 << 10, 4 << 10
	all := make([]byte, 4*pdu.HeaderSize+2*long+2*short)
	for i := range all {
		all[i] = byte(rand.Uint32())
	}
	conn := &asked{data: bytes.NewReader(all)}
	s := &Session{from: &source{conn: conn}}
	s.from.s, s.in = s, bufio.NewReaderSize(s.from, readBuffer)
	var got []byte
	for _, n := range []int{long, long, short, short} {
		p := make([]byte, pdu.HeaderSize+n)
		if _, err := io.ReadFull(s.in, p[:pdu.HeaderSize]); err != nil {
			t.Fatal(err)
		}
		if err := s.fill(p[pdu.HeaderSize:]); err != nil {
			t.Fatal(err)
		}
		got = append(got, p...)
	}
	if !bytes.Equal(got, all) {
		t.Error("what was read is not what came")
	}
	want := []int{
		readBuffer, long - (readBuffer - pdu.HeaderSize), // nobody knew that it would be long
		pdu.HeaderSize, long,
		pdu.HeaderSize, readBuffer, // and the last header and data with it
	}
	if !slices.Equal(conn.sizes, want) {
		t.Errorf("asked for %v, want %v", conn.sizes, want)
	}
	if err := s.fill(make([]byte, long)); err != io.EOF {
		t.Errorf("behind the end: %v", err)
	}
}
