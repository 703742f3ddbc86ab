package lab

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
)

// Direction is which way a frame goes.
type Direction int

// The two ways along a Wire.
const (
	FromGuest Direction = iota
	ToGuest
)

// Filter sees the frames on a Wire and decides what becomes of them: it calls next
// for each frame that goes on, once, never, changed or several times, at once or
// later, from any goroutine. Frame calls for one direction come one at a time, but
// both directions at the same time. The frame belongs to the filter.
type Filter interface {
	Frame(dir Direction, frame []byte, next func(frame []byte))
}

// Resetter is a Filter with a state that a power cycle of the guest clears.
type Resetter interface{ Reset() }

// maxFrame is more than the largest Ethernet frame that a guest sends.
const maxFrame = 65536

// Wire is a switch of two ports in this process: a guest's NIC on a datagram
// socket and a tap on the bridge.
type Wire struct {
	nic     *net.UnixConn
	peer    *net.UnixAddr
	tap     *os.File
	filters []Filter
	wait    sync.WaitGroup
	lost    atomic.Int64
}

func (n *Net) newWire(tapName, peer, local string, filters []Filter) (*Wire, error) {
	_ = os.Remove(local)
	nic, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: local, Net: "unixgram"})
	if err != nil {
		return nil, fmt.Errorf("listen for the NIC: %w", err)
	}
	tap, err := n.openTap(tapName)
	if err != nil {
		nic.Close()
		return nil, err
	}
	w := &Wire{nic: nic, tap: tap, filters: filters,
		peer: &net.UnixAddr{Name: peer, Net: "unixgram"}}
	w.wait.Add(2)
	go w.pump(FromGuest, nic)
	go w.pump(ToGuest, tap)
	return w, nil
}

func (w *Wire) pump(dir Direction, from io.Reader) {
	defer w.wait.Done()
	buf := make([]byte, maxFrame)
	for {
		n, err := from.Read(buf)
		if errors.Is(err, os.ErrClosed) || errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil || n == 0 {
			continue // the guest is off
		}
		w.pass(dir, 0, append([]byte(nil), buf[:n]...))
	}
}

// pass gives a frame to the i-th filter of its way, or to the far end.
func (w *Wire) pass(dir Direction, i int, frame []byte) {
	if i == len(w.filters) {
		w.send(dir, frame)
		return
	}
	f := w.filters[i]
	if dir == ToGuest {
		f = w.filters[len(w.filters)-1-i]
	}
	f.Frame(dir, frame, func(frame []byte) { w.pass(dir, i+1, frame) })
}

// send drops what cannot be delivered, as a cable does.
func (w *Wire) send(dir Direction, frame []byte) {
	var err error
	if dir == FromGuest {
		_, err = w.tap.Write(frame)
	} else {
		_, err = w.nic.WriteToUnix(frame, w.peer)
	}
	if err != nil {
		w.lost.Add(1)
	}
}

func (w *Wire) close() error {
	err := errors.Join(w.nic.Close(), w.tap.Close())
	w.wait.Wait()
	return err
}

// Lost counts the frames that could not be delivered, mostly because the guest
// was off.
func (w *Wire) Lost() int64 { return w.lost.Load() }
