package iscsi

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"sync"
	"testing"
	"time"

	client "bootes.dev/internal/initiator"
	"bootes.dev/internal/iscsi/pdu"
)

type conn = net.Conn

func dialerFrom(from string) *net.Dialer {
	return &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
}

// siege serves a disk to a bystander while f does its worst, and sees to it
// that nothing of that remains.
func siege(t *testing.T, o Options, f func(t *testing.T, s *Server, addr string)) {
	t.Helper()
	o.Authority = newAuthority(newMemory(4 << 20))
	s, addr := serve(t, o)
	before := takeFootprint()
	b := newBystander(t, addr)
	f(t, s, addr)
	b.end()
	before.back(t, s)
}

// stranger connects and says something.
func stranger(t *testing.T, addr string, say []byte) net.Conn {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Error(err)
		return nil
	}
	_, _ = c.Write(say)
	return c
}

// loginBytes is a first login request.
func loginBytes() []byte {
	text := pdu.AppendText(pdu.AppendText(nil, "InitiatorName", "iqn.x"), "TargetName", testTarget)
	text = pdu.AppendText(text, "AuthMethod", "CHAP")
	p := pdu.LoginRequest{Stage: pdu.SecurityStage, Next: pdu.OperationalStage, DataLength: len(text)}
	b, _ := p.AppendBinary(nil)
	return append(append(b, text...), make([]byte, pdu.Pad(len(text)))...)
}

// Hundreds that begin a login and do not go on: they take a quarter of the places
// and no more, machines of other addresses log in meanwhile, and when their time
// is up all is free again.
func TestSlowLoginsByTheHundred(t *testing.T) {
	siege(t, Options{LoginTimeout: 400 * time.Millisecond}, func(t *testing.T, s *Server, addr string) {
		whole := loginBytes()
		var all []net.Conn
		for i := range 400 {
			if c := stranger(t, addr, whole[:[]int{0, 20, 60, len(whole)}[i%4]]); c != nil {
				defer c.Close()
				all = append(all, c)
			}
		}
		s.mu.Lock()
		pending := s.pending
		s.mu.Unlock()
		if pending == 0 || pending > s.o.MaxLogins/4+1 {
			t.Errorf("%d logins in progress", pending)
		}
		newBystander(t, addr).end()
		for _, c := range all { // each is told, or cut, by the server
			_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
			for b := make([]byte, 512); ; {
				if _, err := c.Read(b); errors.Is(err, context.DeadlineExceeded) {
					t.Fatal("a slow login was let be")
				} else if err != nil {
					break
				}
			}
		}
	})
}

// Thousands that come and go, at every point of a session's life.
func TestConnectsAndDrops(t *testing.T) {
	siege(t, Options{}, func(t *testing.T, s *Server, addr string) {
		whole := loginBytes()
		var wg sync.WaitGroup
		for worker := range 4 {
			wg.Go(func() {
				for i := worker; i < drops; i += 4 {
					drop(t, addr, i, whole)
				}
			})
		}
		wg.Wait()
	})
}

func drop(t *testing.T, addr string, i int, whole []byte) {
	if i%20 == 0 {
		dropSession(t, addr, i)
		return
	}
	c := stranger(t, addr, whole[:[]int{0, 7, 48, len(whole)}[i%4]])
	if c == nil {
		return
	}
	if i%3 == 0 { // by a reset
		_ = c.(*net.TCPConn).SetLinger(0)
	}
	_ = c.Close()
}

// dropSession logs in, begins a WRITE that it never ends, and is gone.
func dropSession(t *testing.T, addr string, i int) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	s, err := client.Dial(ctx, addr, client.Options{
		Initiator: testInitiator, Target: testTarget, User: testUser, Secret: testSecret, InitialR2T: true, Dial: dialFrom(loopback2),
	})
	if err != nil {
		t.Error(err)
		return
	}
	c := client.Command{Out: make([]byte, 512), CDB: [16]byte{0x2a, 8: 1}}
	if i%40 == 0 {
		c = client.Command{In: make([]byte, 512), CDB: [16]byte{0x28, 8: 1}}
	}
	if err := s.Start(&c); err == nil {
		s.Send()
	}
	_ = s.Close()
}

// raw logs in by the PDU-level driver as another initiator of the same machine.
func raw(t *testing.T, addr string, n byte, change func(*initiator)) *initiator {
	t.Helper()
	i := dial(t, addr)
	i.isid[5] = n
	if change != nil {
		change(i)
	}
	return i.login()
}

// drain takes and forgets what the target sends, until it ends the connection
// or the test does.
func (i *initiator) drain() {
	go func() {
		b := make([]byte, 64<<10)
		for {
			if _, err := i.conn.Read(b); err != nil {
				return
			}
		}
	}()
}

// floodTime of each kind, unless the target ends the session before.
const floodTime = 150 * time.Millisecond

// flood sends PDUs as fast as they are taken.
func (i *initiator) flood(next func(n int) []byte) {
	i.drain()
	for k, end := 0, time.Now().Add(floodTime); time.Now().Before(end); k++ {
		if _, err := i.conn.Write(next(k)); err != nil {
			return
		}
	}
}

func encode(p appender, data ...byte) []byte {
	b, _ := p.AppendBinary(nil)
	return append(append(b, data...), make([]byte, pdu.Pad(len(data)))...)
}

// Sessions that have logged in and then misbehave, each in its own way, in
// numbers. None of them harms another, and nothing of them stays.
func TestHostileSessions(t *testing.T) {
	text := []byte("SendTargets=All\x00")
	for name, f := range map[string]func(i *initiator){
		"text flood": func(i *initiator) {
			i.flood(func(int) []byte {
				return encode(&pdu.TextRequest{Immediate: true, Final: true, ITT: 1, TTT: pdu.NoTag, DataLength: len(text)}, text...)
			})
		},
		"text without end": func(i *initiator) {
			part := make([]byte, 8192)
			i.flood(func(int) []byte {
				return encode(&pdu.TextRequest{Immediate: true, Continue: true, ITT: 1, TTT: textTag, DataLength: len(part)}, part...)
			})
		},
		"ping flood": func(i *initiator) {
			i.flood(func(int) []byte {
				return encode(&pdu.NopOut{Immediate: true, ITT: 1, TTT: pdu.NoTag, DataLength: 4}, 1, 2, 3, 4)
			})
		},
		"huge length": func(i *initiator) {
			i.flood(func(int) []byte {
				return encode(&pdu.NopOut{Immediate: true, ITT: 1, TTT: pdu.NoTag, DataLength: pdu.MaxDataLength})
			})
		},
		"additional headers": func(i *initiator) {
			i.flood(func(int) []byte {
				b := encode(&pdu.NopOut{Immediate: true, ITT: 1, TTT: pdu.NoTag})
				b[4] = 255
				return append(b, random(255*4)...)
			})
		},
		"data for no task": func(i *initiator) {
			i.flood(func(k int) []byte {
				return encode(&pdu.DataOut{ITT: uint32(k), TTT: uint32(k), DataLength: 512}, make([]byte, 512)...)
			})
		},
		"data out of order": func(i *initiator) {
			i.flood(func(k int) []byte {
				c := pdu.SCSICommand{Write: true, Expected: 4096, ITT: uint32(k), CmdSN: i.cmdSN + uint32(k), CDB: [16]byte{0x2a, 8: 8}}
				b := encode(&c)
				for _, off := range []uint32{2048, 0, 4096, 1 << 31} {
					b = append(b, encode(&pdu.DataOut{ITT: uint32(k), TTT: pdu.NoTag, Offset: off, DataLength: 512}, make([]byte, 512)...)...)
				}
				return b
			})
		},
		"commands outside of the window": func(i *initiator) {
			i.flood(func(k int) []byte {
				return encode(&pdu.SCSICommand{Final: true, Read: true, Expected: 512, ITT: uint32(k), CmdSN: i.cmdSN + 1000, CDB: [16]byte{0x28, 8: 1}})
			})
		},
		// Of the unit that nobody else uses: a command that a reset ends is not
		// answered (SPC-4, TAS=0), and so the bystander would wait in vain.
		"resets": func(i *initiator) {
			i.flood(func(k int) []byte {
				return encode(&pdu.TaskRequest{Immediate: true, Function: pdu.TaskLUNReset, LUN: pdu.LUNField(1), ITT: uint32(k), RefITT: pdu.NoTag})
			})
		},
		"unknown opcodes": func(i *initiator) {
			i.flood(func(k int) []byte { return append([]byte{0x40 | byte(k%3+0x1c)}, make([]byte, 47)...) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			siege(t, Options{}, func(t *testing.T, s *Server, addr string) {
				var wg sync.WaitGroup
				for n := range byte(4) {
					i := raw(t, addr, n, func(i *initiator) { i.keys = "InitialR2T=No\x00ImmediateData=Yes\x00" })
					_ = i.conn.SetDeadline(time.Now().Add(5 * time.Second))
					wg.Go(func() {
						f(i)
						_ = i.conn.Close()
					})
				}
				wg.Wait()
			})
		})
	}
}

// Initiators that ask to write and then ignore each R2T hold what a session may
// hold and no more; a machine that writes in earnest gets through.
func TestR2TIgnored(t *testing.T) {
	siege(t, Options{WriteBudget: 8 << 20}, func(t *testing.T, s *Server, addr string) {
		for n := range byte(20) {
			i := raw(t, addr, n, nil)
			defer i.conn.Close()
			for k := range uint32(64) {
				c := pdu.SCSICommand{Final: true, Write: true, Expected: 256 << 10, ITT: k, CmdSN: i.cmdSN + k, CDB: [16]byte{0x2a, 7: 2}}
				_, _ = i.conn.Write(encode(&c))
			}
			i.drain()
		}
		eventually(t, "the budget is spent", func() bool { return s.budget.low.Load() })
		s.budget.mu.Lock()
		held := s.budget.all - s.budget.free
		s.budget.mu.Unlock()
		if most := s.o.WriteBudget + 21*maxPiece; held > most {
			t.Errorf("%d KiB of write data are held, at most %d KiB should be", held>>10, most>>10)
		}
		honest := newBystander(t, addr)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if err := honest.disk.WriteAt(ctx, make([]byte, 1<<20), 1<<20); err != nil {
			t.Errorf("another machine cannot write: %v", err)
		}
		honest.end()
	})
}

// Initiators that ask for much and take none of it cost a bounded amount of
// memory, for as long as WriteTimeout.
func TestNothingIsTaken(t *testing.T) {
	events := &recordedEvents{}
	siege(t, Options{WriteTimeout: 500 * time.Millisecond, Events: events}, func(t *testing.T, s *Server, addr string) {
		before := takeFootprint()
		for n := range byte(10) {
			i := raw(t, addr, n, nil)
			defer i.conn.Close()
			_ = i.conn.(*net.TCPConn).SetReadBuffer(4096)
			for k := range uint32(100) {
				c := pdu.SCSICommand{Final: true, Read: true, Expected: 1 << 20, ITT: k, CmdSN: i.cmdSN + k}
				c.CDB = [16]byte{0x28}
				binary.BigEndian.PutUint16(c.CDB[7:], 2048)
				_, _ = i.conn.Write(encode(&c))
			}
		}
		time.Sleep(100 * time.Millisecond)
		// A batch under way, one being filled, and what each worker has read.
		if most := before.heap + 10*(2*(batchSize+maxPiece)+maxWorkers*maxPiece); takeFootprint().heap > most {
			t.Errorf("the heap grew from %d KiB to %d KiB", before.heap>>10, takeFootprint().heap>>10)
		}
		eventually(t, "they are cut", func() bool { return len(s.Sessions()) == 1 })
		eventually(t, "each end has its reason", func() bool { return events.ended(ReasonUntaken) == 10 })
	})
}

// Half-open connections: the peer's TCP answers, and nobody is behind it.
func TestHalfOpen(t *testing.T) {
	siege(t, Options{PingInterval: 40 * time.Millisecond}, func(t *testing.T, s *Server, addr string) {
		for n := range byte(50) {
			i := raw(t, addr, n, func(i *initiator) { i.keys = "InitialR2T=No\x00ImmediateData=Yes\x00" })
			defer i.conn.Close()
		}
		if n := len(s.Sessions()); n != 51 {
			t.Errorf("%d sessions", n)
		}
		eventually(t, "only the living are left", func() bool { return len(s.Sessions()) == 1 })
	})
}
