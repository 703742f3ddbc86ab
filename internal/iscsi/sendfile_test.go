package iscsi

import (
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"bootes.dev/internal/block"
	client "bootes.dev/internal/initiator"
	"bootes.dev/internal/iscsi/pdu"
)

// fileDisk is a disk in memory whose content lies in a file, too.
type fileDisk struct {
	*memory
	conn   atomic.Pointer[syscall.RawConn]
	pinned atomic.Int32 // not yet released
	pins   atomic.Int32 // ever
	bad    atomic.Bool
}

func newFileDisk(t *testing.T, size int) *fileDisk {
	t.Helper()
	d := &fileDisk{memory: newMemory(size)}
	d.set(random(size))
	d.put(t, d.bytes(0, size), os.O_RDWR)
	return d
}

// put makes p the content of the file, opened as flag says.
func (d *fileDisk) put(t *testing.T, p []byte, flag int) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "data")
	if err := os.WriteFile(name, p, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(name, flag, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	conn, err := f.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	d.conn.Store(&conn)
}

func (d *fileDisk) Pin(off, n int64) (block.Pinned, bool) {
	if block.CheckRange(d.Size(), off, n) != nil || d.bad.Load() {
		return block.Pinned{}, false
	}
	d.pins.Add(1)
	d.pinned.Add(1)
	return block.Pinned{File: *d.conn.Load(), Off: off, Held: d}, true
}

func (d *fileDisk) Bad()     { d.bad.Store(true) }
func (d *fileDisk) Release() { d.pinned.Add(-1) }

const longRead = 1 << 20

// readLong asks for the first MiB.
func (i *initiator) readLong() uint32 {
	return i.command(pdu.SCSICommand{Final: true, Read: true, Expected: longRead}, nil, 0x28, 0, 0, 0, 0, 0, 0, longRead/512>>8, 0)
}

// A long READ comes from the file, in whatever PDUs the initiator takes, and from
// the disk if it cannot.
func TestReadFromFile(t *testing.T) {
	for _, c := range []struct {
		what string
		o    client.Options
		pins int32
	}{
		{"as it is", client.Options{}, 4},
		{"in PDUs of 64 KiB", client.Options{MaxData: sendfileFrom}, 4},
		{"in odd PDUs", client.Options{MaxData: 100_001}, 4},
		{"in bursts of 128 KiB", client.Options{MaxBurst: 128 << 10}, 8},
		{"with a header digest", client.Options{HeaderDigest: true}, 4},
		{"with a data digest", client.Options{DataDigest: true}, 0},
		{"in small PDUs", client.Options{MaxData: 8192}, 0},
	} {
		t.Run(c.what, func(t *testing.T) {
			disk := newFileDisk(t, 2*longRead)
			_, addr := serve(t, Options{Authority: newAuthority(disk)})
			c.o.Initiator, c.o.Target, c.o.User, c.o.Secret = testInitiator, testTarget, testUser, testSecret
			s, err := client.Dial(t.Context(), addr, c.o)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			d, err := s.Disk(t.Context(), 0)
			if err != nil {
				t.Fatal(err)
			}
			got := make([]byte, longRead)
			for k, off := range []int64{0, 512, longRead} {
				if err := d.ReadAt(t.Context(), got, off); err != nil || !bytes.Equal(got, disk.bytes(int(off), int(off)+longRead)) {
					t.Errorf("at %d: read something else, %v", off, err)
				}
				// Later ones may have gone to workers, on a machine that has other work.
				if n, most := disk.pins.Load(), c.pins*int32(k+1); k == 0 && n != most || n > most {
					t.Errorf("pinned %d times by %d commands", n, k+1)
				}
			}
			if err := s.Ping(t.Context(), []byte("in step")); err != nil {
				t.Error(err)
			}
			eventually(t, "all is released", func() bool { return disk.pinned.Load() == 0 })
		})
	}
}

// What is short stays as it was.
func TestShortReadIsNotFromFile(t *testing.T) {
	disk := newFileDisk(t, longRead)
	_, addr := serve(t, Options{Authority: newAuthority(disk)})
	dial(t, addr).login().read10(0, sendfileFrom/512-1)
	if disk.pins.Load() != 0 {
		t.Error("a short READ was pinned")
	}
}

// An initiator that takes little at a time gets all of it, in order, between
// answers of other kinds.
func TestSlowTaker(t *testing.T) {
	disk := newFileDisk(t, longRead)
	_, addr := serve(t, Options{Authority: newAuthority(disk)})
	i := dial(t, addr)
	_ = i.conn.(*net.TCPConn).SetReadBuffer(64 << 10)
	i.login()
	const count = 8
	for k := range count {
		i.readLong()
		i.command(pdu.SCSICommand{Final: true, Read: true, Expected: 512}, nil, 0x28, 0, 0, 0, 0, byte(k), 0, 0, 1)
	}
	got := make(map[uint32][]byte)
	for over := 0; over < 2*count; {
		var d pdu.DataIn
		data := i.expect(&d)
		if int(d.Offset) != len(got[d.ITT]) {
			t.Fatalf("Data-In %+v after %d bytes", d, len(got[d.ITT]))
		}
		got[d.ITT] = append(got[d.ITT], data...)
		if d.HasStatus {
			over++
		}
	}
	for itt, data := range got {
		off := 0
		if len(data) == 512 {
			off = int(itt-1) / 2 * 512
		}
		if !bytes.Equal(data, disk.bytes(off, off+len(data))) {
			t.Errorf("command %d read something else", itt)
		}
	}
	eventually(t, "all is released", func() bool { return disk.pinned.Load() == 0 })
}

// A connection that ends in the middle of the data gives all back.
func TestEndInTheMiddleOfAFile(t *testing.T) {
	for what, end := range map[string]func(s *Server, i *initiator){
		"initiator closes":        func(_ *Server, i *initiator) { i.conn.Close() },
		"initiator takes nothing": func(*Server, *initiator) {},
		"server ends the session": func(s *Server, _ *initiator) { s.sessionsOn(testTarget)[0].end("test") },
	} {
		t.Run(what, func(t *testing.T) {
			disk := newFileDisk(t, longRead)
			s, addr := serve(t, Options{Authority: newAuthority(disk), WriteTimeout: 500 * time.Millisecond})
			i := dial(t, addr)
			_ = i.conn.(*net.TCPConn).SetReadBuffer(4096)
			i.login()
			for range 16 {
				i.readLong()
			}
			eventually(t, "something is sent", func() bool { return disk.pins.Load() > 0 })
			end(s, i)
			eventually(t, "the session ends", func() bool { return len(s.Sessions()) == 0 })
			if n := disk.pinned.Load(); n != 0 {
				t.Errorf("%d pinned for ever", n)
			}
		})
	}
}

// A file that fails in the middle of an answer costs the connection, because its
// header has said GOOD. The next READ gets the error that ReadAt has.
func TestFileFailsInTheMiddle(t *testing.T) {
	for _, c := range []struct {
		what, reason string
		spoil        func(t *testing.T, d *fileDisk)
	}{
		{"too short", "disk failed in the middle of an answer: unexpected EOF", func(t *testing.T, d *fileDisk) {
			d.put(t, d.bytes(0, longRead-4096), os.O_RDWR)
		}},
		{"not readable", "disk failed in the middle of an answer: bad file descriptor", func(t *testing.T, d *fileDisk) {
			d.put(t, nil, os.O_WRONLY)
		}},
		{"closed", "disk failed in the middle of an answer: use of closed file", func(t *testing.T, d *fileDisk) {
			f, err := os.Open(os.DevNull)
			if err != nil {
				t.Fatal(err)
			}
			conn, _ := f.SyscallConn()
			f.Close()
			d.conn.Store(&conn)
		}},
	} {
		t.Run(c.what, func(t *testing.T) {
			disk := newFileDisk(t, longRead)
			c.spoil(t, disk)
			events := &recordedEvents{}
			s, addr := serve(t, Options{Authority: newAuthority(disk), Events: events})
			i := dial(t, addr).login()
			i.readLong()
			if all, _ := io.ReadAll(i.conn); len(all) >= longRead {
				t.Errorf("%d bytes of data came", len(all))
			}
			eventually(t, "the session ends", func() bool { return len(s.Sessions()) == 0 })
			events.mu.Lock()
			if reason := events.list[len(events.list)-1].Reason; !strings.HasSuffix(reason, c.reason) {
				t.Errorf("it ended because: %s", reason)
			}
			events.mu.Unlock()
			if n := disk.pinned.Load(); n != 0 {
				t.Errorf("%d pinned for ever", n)
			}
			err := error(block.ErrCorrupt)
			disk.fail.Store(&err)
			i = dial(t, addr).login()
			i.readLong()
			i.expectSense(3, 0x11, 0)
		})
	}
}

// READs go to workers when the page cache had to ask the disk.
func TestColdFile(t *testing.T) {
	disk := newFileDisk(t, longRead)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	conn, err := new(net.Dialer).DialContext(context.Background(), "tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, c := range []struct {
		took time.Duration
		want int
	}{{slowRead, 0}, {slowRead + 1, 1}} {
		now, cold := int64(0), 0
		f := newFileSender(conn, func() int64 { now += int64(c.took); return now }, func() { cold++ })
		p, _ := disk.Pin(0, 4096)
		if err := f.send([]byte("head"), &filePiece{file: p, n: 4096}); err != nil {
			t.Fatal(err)
		}
		if cold != c.want {
			t.Errorf("%v: told %d times", c.took, cold)
		}
	}
}

func TestNoAllocationPerFile(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	disk := newFileDisk(t, longRead)
	_, addr := serve(t, Options{Authority: newAuthority(disk)})
	i := dial(t, addr).login()
	req := pdu.SCSICommand{Final: true, Read: true, Expected: 256 << 10, CDB: [16]byte{0x28, 7: 2}}
	wire, answer := make([]byte, 0, pdu.HeaderSize), make([]byte, pdu.HeaderSize+256<<10)
	n := testing.AllocsPerRun(500, func() {
		req.CmdSN, req.ITT = i.cmdSN, i.cmdSN
		i.cmdSN++
		wire, _ = req.AppendBinary(wire[:0])
		if _, err := i.conn.Write(wire); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(i.conn, answer); err != nil {
			t.Fatal(err)
		}
	})
	if n >= 1 || disk.pins.Load() == 0 {
		t.Errorf("%v allocations, pinned %d times", n, disk.pins.Load())
	}
}
