package lab

import (
	"bytes"
	"net"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// filterFunc makes a Filter of a function.
type filterFunc func(Direction, []byte, func([]byte))

func (f filterFunc) Frame(dir Direction, frame []byte, next func([]byte)) { f(dir, frame, next) }

// mark appends a byte to each frame.
func mark(b byte) Filter {
	return filterFunc(func(_ Direction, frame []byte, next func([]byte)) { next(append(frame, b)) })
}

// TestWire sends frames of an experimental type through a wire in both directions
// and sees the order of the filters.
func TestWire(t *testing.T) {
	n := New(t, NetOptions{})
	nic, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: n.Path("nic"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer nic.Close()
	w, err := n.newWire("tap9", n.Path("nic"), n.Path("wire"), []Filter{mark(1), mark(2)})
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	packets := listenBridge(t, n)
	frame := append(unhex(t, "ff ff ff ff ff ff  52 54 00 77 00 01  88 b5"), bytes.Repeat([]byte{0xaa}, 60)...)

	if _, err := nic.WriteToUnix(frame, &net.UnixAddr{Name: n.Path("wire"), Net: "unixgram"}); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 2048)
	k, err := packets.Read(got)
	if err != nil {
		t.Fatal(err)
	}
	if want := append(bytes.Clone(frame), 1, 2); !bytes.Equal(got[:k], want) {
		t.Errorf("from the guest: got % x\nwant % x", got[:k], want)
	}

	if _, err := packets.Write(frame); err != nil {
		t.Fatal(err)
	}
	if err := nic.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	for {
		k, err = nic.Read(got)
		if err != nil {
			t.Fatal(err)
		}
		if k > 14 && bytes.Equal(got[12:14], frame[12:14]) {
			break // others are the kernel's own, about IPv6
		}
	}
	if want := append(bytes.Clone(frame), 2, 1); !bytes.Equal(got[:k], want) {
		t.Errorf("to the guest: got % x\nwant % x", got[:k], want)
	}
}

// listenBridge is a packet socket on the bridge for the experimental EtherType.
func listenBridge(t *testing.T, n *Net) *os.File {
	t.Helper()
	var f *os.File
	err := n.Do(func() error {
		const proto = 0xb588 // ETH 88b5 in network order
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, proto)
		if err != nil {
			return err
		}
		f = os.NewFile(uintptr(fd), "packets")
		br, err := net.InterfaceByName(Bridge)
		if err != nil {
			return err
		}
		return unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: proto, Ifindex: br.Index})
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if err := f.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return f
}

// TestWireLateFrame shows that a filter may hold a frame beyond the wire's end.
func TestWireLateFrame(t *testing.T) {
	n := New(t, NetOptions{})
	held := make(chan func([]byte), 1)
	w, err := n.newWire("tap9", n.Path("nic"), n.Path("wire"), []Filter{
		filterFunc(func(_ Direction, _ []byte, next func([]byte)) { held <- next })})
	if err != nil {
		t.Fatal(err)
	}
	guest, err := net.Dial("unixgram", n.Path("wire"))
	if err != nil {
		t.Fatal(err)
	}
	defer guest.Close()
	if _, err := guest.Write(make([]byte, 60)); err != nil {
		t.Fatal(err)
	}
	next := <-held
	if err := w.close(); err != nil {
		t.Fatal(err)
	}
	next(make([]byte, 60))
	if w.Lost() != 1 {
		t.Errorf("%d frames lost, want 1", w.Lost())
	}
}
