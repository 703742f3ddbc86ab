package tftp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"
)

// machine is a client with a socket of its own, and no options.
type machine struct {
	conn   *net.UDPConn
	server *net.UDPAddr // its port of this transfer, once it has answered
	last   []byte       // what is repeated when nothing comes
	buf    []byte
	got    []byte
}

// next waits for the block after those it has. It acknowledges none.
func (m *machine) next() error {
	want := uint16(len(m.got)/defaultBlock + 1)
	for range 20 {
		if _, err := m.conn.WriteToUDP(m.last, m.server); err != nil {
			return err
		}
		m.conn.SetReadDeadline(time.Now().Add(time.Second))
		for {
			n, from, err := m.conn.ReadFromUDP(m.buf)
			if errors.Is(err, os.ErrDeadlineExceeded) {
				break
			}
			if err != nil {
				return err
			}
			if b := m.buf[:n]; b[1] == opDATA && binary.BigEndian.Uint16(b[2:]) == want {
				m.server, m.got = from, append(m.got, b[4:]...)
				m.last = binary.BigEndian.AppendUint16([]byte{0, opACK}, want)
				return nil
			}
		}
	}
	return fmt.Errorf("block %d did not come in 20 s", want)
}

// A datacentre that is switched on: thousands of transfers at once, each with
// little memory, and the server has no goroutine for any of them.
func TestThousandsAtOnce(t *testing.T) {
	const n = 4000
	content := noise(20*defaultBlock + 100)
	s := &Server{}
	port, _ := serveRealBy(t, s, "127.0.0.1:0", content)
	server, _ := net.ResolveUDPAddr("udp4", "127.0.0.1:"+port)
	machines := make([]*machine, n)
	for i := range machines {
		c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		machines[i] = &machine{conn: c, server: server, last: rrq("loader.efi"), buf: make([]byte, 600), got: make([]byte, 0, len(content))}
	}
	all := func(do func(*machine) error) {
		t.Helper()
		var group sync.WaitGroup
		for _, m := range machines {
			group.Go(func() {
				if err := do(m); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
	}
	memory, routines := inUse(), runtime.NumGoroutine()
	all((*machine).next)
	if active, _ := s.desks[0].count(); active != n {
		t.Fatalf("%d transfers under way, want %d", active, n)
	}
	if each := (int64(inUse()) - int64(memory)) / n; each > 8<<10 { // it is 1 to 2 KiB
		t.Errorf("%d bytes of memory for each transfer, want 8 KiB at most", each)
	}
	if now := runtime.NumGoroutine(); now > routines+10 {
		t.Errorf("%d goroutines, %d before", now, routines)
	}
	all(func(m *machine) error {
		for len(m.got) < len(content) {
			if err := m.next(); err != nil {
				return err
			}
		}
		_, err := m.conn.WriteToUDP(m.last, m.server)
		if !bytes.Equal(m.got, content) {
			t.Error("it got something else")
		}
		return err
	})
}

// inUse is what the heap holds, in bytes.
func inUse() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}
