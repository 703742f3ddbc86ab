package cow_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"syscall"
	"testing"

	"bootes.dev/internal/block"
	"bootes.dev/internal/block/blocktest"
	"bootes.dev/internal/cow"
	"bootes.dev/internal/cow/crashfs"
	"golang.org/x/sys/unix"
)

const mib = 1 << 20

// pinnable is an image of two layers: 1 MiB of the lower one, 1 MiB of the upper
// one, 1 MiB of zeros.
func pinnable(t *testing.T, e *cow.Engine) (top string, content []byte) {
	t.Helper()
	content = make([]byte, 3*mib)
	blocktest.Pattern(content[:2*mib], 0, 5)
	lower := newLayer(t, e, "", 3*mib, func(b *cow.LayerBuilder) { must(b.WriteAt(content[:mib], 0)) })
	return newLayer(t, e, lower.ID, 3*mib, func(b *cow.LayerBuilder) { must(b.WriteAt(content[mib:2*mib], mib)) }).ID, content
}

func pinned(t *testing.T, p block.Pinned, n int) []byte {
	t.Helper()
	got := make([]byte, n)
	if err := p.File.Control(func(fd uintptr) {
		if m, err := unix.Pread(int(fd), got, p.Off); m != n || err != nil {
			t.Errorf("read %d of %d pinned bytes: %v", m, n, err)
		}
	}); err != nil {
		t.Error(err)
	}
	return got
}

// TestPin: what lies in one layer is pinned, and nothing else.
func TestPin(t *testing.T) {
	e := open(t, t.TempDir(), cow.Options{Manual: true})
	top, content := pinnable(t, e)
	v := newVolume(t, e, cow.VolumeSpec{Base: top})
	layer := must(e.OpenLayer(top))
	put(t, v, 512<<10, 4096, 1)
	for _, c := range []struct {
		what   string
		d      block.Pinner
		off, n int64
		want   bool
	}{
		{"lower layer", v, 0, 512 << 10, true},
		{"some sectors of it", v, 1024, 4096, true},
		{"upper layer", v, mib, mib, true},
		{"layer alone", layer, 512 << 10, 8192, true},
		{"own block", v, 512 << 10, 4096, false},
		{"own block in the middle", v, 508 << 10, 12 << 10, false},
		{"two layers", v, mib - 4096, 8192, false},
		{"zeros", v, 2 * mib, 4096, false},
		{"layer and zeros", layer, 2*mib - 4096, 8192, false},
		{"nothing", v, 4096, 0, false},
	} {
		p, ok := c.d.Pin(c.off, c.n)
		if ok != c.want {
			t.Errorf("%s: %v", c.what, ok)
		}
		if !ok {
			continue
		}
		if !bytes.Equal(pinned(t, p, int(c.n)), content[c.off:c.off+c.n]) {
			t.Errorf("%s: not what is there", c.what)
		}
		p.Held.Release()
	}
	if s := v.Stats(); s.Reads != 3 || s.ReadBytes != 512<<10+4096+mib {
		t.Errorf("counted %+v", s)
	}
	ok(t, layer.Close(), v.Close())
	if _, ok := layer.Pin(0, 4096); ok {
		t.Error("pinned of a closed layer")
	}
	if _, ok := v.Pin(0, 4096); ok {
		t.Error("pinned of a closed volume")
	}
}

// TestPinnedStays: what is pinned outlives the volume, its merging and its removal.
func TestPinnedStays(t *testing.T) {
	dir := t.TempDir()
	e := open(t, dir, cow.Options{Manual: true})
	top, content := pinnable(t, e)
	v := newVolume(t, e, cow.VolumeSpec{Base: top})
	p, isPinned := v.Pin(mib/2, mib/2)
	if !isPinned {
		t.Fatal("not pinned")
	}
	put(t, v, 0, 2*mib, 9)
	must(e.Snapshot("v", "s"))
	ok(t, e.FlattenVolume(t.Context(), "v", nil), v.Close())
	lower := must(e.Layer(top)).Parent
	ok(t, e.RemoveVolume("v"), e.RemoveLayer(top), e.RemoveLayer(lower), e.Settle(t.Context()))
	if !bytes.Equal(pinned(t, p, mib/2), content[mib/2:mib]) {
		t.Error("what was pinned has changed")
	}
	p.Held.Release()
	ok(t, e.Settle(t.Context()))
	if l := e.Layers(); len(l) != 0 {
		t.Errorf("still there: %+v", l)
	}
}

// TestPinnedInASocket: pages that a socket holds keep their content when the file
// that they are of is freed.
func TestPinnedInASocket(t *testing.T) {
	e := open(t, t.TempDir(), cow.Options{Manual: true})
	content := make([]byte, 4*mib)
	blocktest.Pattern(content, 0, 6)
	top := newLayer(t, e, "", 4*mib, func(b *cow.LayerBuilder) { must(b.WriteAt(content, 0)) }).ID
	l := must(e.OpenLayer(top))
	sender, receiver := tcpPair(t)
	const off, n = 3*mib - 64<<10, 128 << 10
	p, isPinned := l.Pin(off, n)
	if !isPinned {
		t.Fatal("not pinned")
	}
	ok(t, p.File.Control(func(file uintptr) {
		at := p.Off
		ok(t, sender.Control(func(sock uintptr) {
			if m, err := unix.Sendfile(int(sock), int(file), &at, n); m != n || err != nil {
				t.Errorf("sent %d bytes of %d: %v", m, n, err)
			}
		}))
	}))
	p.Held.Release()
	ok(t, l.Close(), e.RemoveLayer(top), e.Settle(t.Context()))
	if e.Freeing() != 0 || len(e.Layers()) != 0 {
		t.Fatal("the layer is not freed")
	}
	got := make([]byte, n)
	if _, err := io.ReadFull(receiver, got); err != nil || !bytes.Equal(got, content[off:off+n]) {
		t.Errorf("what was sent has changed on its way, %v", err)
	}
}

// tcpPair is a connection over loopback.
func tcpPair(t *testing.T) (sender syscall.RawConn, receiver net.Conn) {
	t.Helper()
	ln := must(net.Listen("tcp", "127.0.0.1:0"))
	defer ln.Close()
	conn := must(net.Dial("tcp", ln.Addr().String()))
	receiver = must(ln.Accept())
	t.Cleanup(func() { ok(t, conn.Close(), receiver.Close()) })
	return must(conn.(*net.TCPConn).SyscallConn()), receiver
}

// TestPinBad: after a failure of the file it is read.
func TestPinBad(t *testing.T) {
	e := open(t, t.TempDir(), cow.Options{Manual: true})
	top, _ := pinnable(t, e)
	v := newVolume(t, e, cow.VolumeSpec{Base: top})
	p, isPinned := v.Pin(0, 4096)
	if !isPinned {
		t.Fatal("not pinned")
	}
	p.Held.Bad()
	p.Held.Release()
	if _, again := v.Pin(8192, 4096); again {
		t.Error("the layer that failed is pinned again")
	}
	if p, other := v.Pin(mib, 4096); other {
		p.Held.Release()
	} else {
		t.Error("the other layer is not pinned")
	}
	ok(t, v.Close())
}

// TestPinCold: what is not in memory is not pinned: whoever sends it would wait.
func TestPinCold(t *testing.T) {
	e := open(t, t.TempDir(), cow.Options{Manual: true})
	top, _ := pinnable(t, e)
	v := newVolume(t, e, cow.VolumeSpec{Base: top})
	p, isPinned := v.Pin(0, mib)
	if !isPinned {
		t.Fatal("not pinned")
	}
	ok(t, p.File.Control(func(fd uintptr) {
		ok(t, unix.Fdatasync(int(fd)), unix.Fadvise(int(fd), 0, 0, unix.FADV_DONTNEED))
	}))
	p.Held.Release()
	if _, isPinned := v.Pin(0, mib); isPinned {
		t.Error("pinned what is not in memory")
	}
	ok(t, v.Close())
}

// TestPinNeedsTheKernel: a file system of another kind is read.
func TestPinNeedsTheKernel(t *testing.T) {
	e := open(t, "/d", cow.Options{FS: crashfs.New(1, "/"), Manual: true})
	top, _ := pinnable(t, e)
	v := newVolume(t, e, cow.VolumeSpec{Base: top})
	if _, isPinned := v.Pin(0, 4096); isPinned {
		t.Error("pinned a file that the kernel does not have")
	}
	ok(t, v.Close())
}

// TestPinNoAllocation: a server asks at each large read.
func TestPinNoAllocation(t *testing.T) {
	e := open(t, t.TempDir(), cow.Options{Manual: true})
	top, _ := pinnable(t, e)
	v := newVolume(t, e, cow.VolumeSpec{Base: top})
	n := testing.AllocsPerRun(100, func() {
		p, isPinned := v.Pin(0, mib)
		if !isPinned {
			t.Fatal("not pinned")
		}
		p.Held.Release()
	})
	if n != 0 && !raceDetector { // which empties pools
		t.Error(fmt.Sprint(n, " allocations"))
	}
	ok(t, v.Close())
}
