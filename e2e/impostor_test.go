//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"bootes.dev/internal/api"
	"bootes.dev/internal/lab"
)

// impostor stands between a machine and its server, and knows all but the
// secret by which the server proves itself.
type impostor struct {
	addr  netip.AddrPort
	lies  atomic.Bool
	lied  atomic.Int32 // proofs that were changed
	conns sync.WaitGroup
	dial  func() (net.Conn, error)
	end   context.Context // of the test: then all connections are closed
}

func newImpostor(t *testing.T, f *fixture, addr netip.Addr) *impostor {
	t.Helper()
	host, err := f.Net.NewHost("52:54:00:00:00:66", addr)
	if err != nil {
		t.Fatal(err)
	}
	server := netip.AddrPortFrom(f.Net.Server().Addr(), 3260).String()
	im := &impostor{addr: netip.AddrPortFrom(addr, 3260), end: t.Context()}
	im.dial = func() (c net.Conn, err error) {
		err = host.Do(func() error { c, err = net.Dial("tcp4", server); return err })
		return c, err
	}
	var l net.Listener
	if err := host.Do(func() error { l, err = net.Listen("tcp4", im.addr.String()); return err }); err != nil {
		t.Fatal(err)
	}
	im.conns.Go(func() { im.serve(l) })
	t.Cleanup(func() { l.Close(); im.conns.Wait() })
	return im
}

func (im *impostor) serve(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		s, err := im.dial()
		if err != nil {
			c.Close()
			continue
		}
		// The machine goes on after a test that fails in its midst.
		context.AfterFunc(im.end, func() { s.Close(); c.Close() })
		im.conns.Go(func() { relay(s, c, func([]byte) {}) })
		im.conns.Go(func() { relay(c, s, im.lie) })
	}
}

// relay copies until either side closes.
func relay(to, from net.Conn, change func([]byte)) {
	defer to.Close()
	defer from.Close()
	b := make([]byte, 64<<10)
	for {
		n, err := from.Read(b)
		change(b[:n])
		if _, e := to.Write(b[:n]); e != nil || err != nil {
			return
		}
	}
}

// lie changes one digit of the server's proof.
func (im *impostor) lie(b []byte) {
	key := []byte("CHAP_R=0x")
	at := bytes.Index(b, key)
	if at < 0 || !im.lies.Load() {
		return
	}
	digit := &b[at+len(key)]
	was := *digit
	if *digit = '0'; was == '0' {
		*digit = '1'
	}
	im.lied.Add(1)
}

// TestImpostor: iPXE, and the kernel, leave a server that cannot prove itself.
func TestImpostor(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "\n  - {name: br0, dhcp: server, range: 10.77.0.100-10.77.0.199, portal: 10.77.0.66}\n")
	im := newImpostor(t, f, netip.MustParseAddr("10.77.0.66"))
	im.lies.Store(true)
	pc := f.guest("pc1", "52:54:00:00:00:01", api.Persistent, lab.BIOS)
	if err := pc.PowerOn(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := pc.expect(t.Context(), 4*time.Minute, `the disk of pc1 could not be booted`); err != nil {
		t.Fatal(err)
	}
	if im.lied.Load() == 0 || len(f.events("pc1", "opened the disk")) != 0 {
		t.Errorf("%d lies; %s", im.lied.Load(), f.cli("boot", "log", "pc1"))
	}
	if len(f.events("pc1", "initiator left when the target had proved itself")) == 0 {
		t.Errorf("the timeline does not say why:\n%s", f.cli("boot", "log", "pc1"))
	}
	t.Logf("%s", pc.Console().Tail(12))

	im.lies.Store(false)
	// GRUB has all that it needs by then, and iPXE is not asked any more.
	if err := pc.expect(t.Context(), 6*time.Minute, `Linux version`); err != nil {
		t.Fatal(err)
	}
	im.lies.Store(true)
	lied := im.lied.Load()
	if err := pc.expect(t.Context(), 6*time.Minute, `iscsistart: failing authentication, received incorrect CHAP response`); err != nil {
		t.Fatal(err)
	}
	if im.lied.Load() == lied || len(f.events("pc1", "the operating system opened")) != 0 {
		t.Errorf("%d lies; %s", im.lied.Load()-lied, f.cli("boot", "log", "pc1"))
	}
	t.Logf("%s", pc.Console().Tail(12))
}
