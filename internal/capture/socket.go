package capture

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/mdlayher/packet"

	"bootes.dev/internal/netif"
)

const (
	// Of more packets than these in a moment, those that the slots do not hold are
	// lost: a flood must not take the time of who serves.
	paceTime  = 100 * time.Millisecond
	pacePlace = 400

	etherAll      = 0x0003 // ETH_P_ALL
	readErrorWait = time.Second
)

// wire is an interface that is heard.
type wire struct {
	name    string
	mac     net.HardwareAddr
	conn    *packet.Conn
	slots   *slots
	doubled doubled
}

func openWire(name string, p Ports) (*wire, error) {
	n, err := netif.ByName(name)
	if err != nil {
		return nil, err
	}
	program := join(skipVLAN, filter(p))
	ifi := &net.Interface{Index: n.Index, Name: n.Name, MTU: n.MTU, HardwareAddr: n.MAC}
	if loopback(name) {
		program = join(skipOutgoing, program)
	}
	raw, err := program.assemble()
	if err != nil {
		return nil, err
	}
	conn, err := packet.Listen(ifi, packet.Raw, etherAll, &packet.Config{Filter: raw})
	if err != nil {
		return nil, fmt.Errorf("open a packet socket: %w", err)
	}
	w := &wire{name: name, mac: n.MAC, conn: conn}
	if err := w.control(func(fd int) (err error) { w.slots, err = openSlots(fd); return err }); err != nil {
		conn.Close()
		return nil, fmt.Errorf("set up a packet socket: %w", err)
	}
	return w, nil
}

// close ends hearing. run must have returned.
func (w *wire) close() error { return errors.Join(w.slots.close(), w.conn.Close()) }

// send sends a frame.
func (w *wire) send(frame []byte) {
	_, _ = w.conn.WriteTo(frame, &packet.Addr{HardwareAddr: frame[:len(MAC{})]})
}

func loopback(name string) bool {
	i, err := net.InterfaceByName(name)
	return err == nil && i.Flags&net.FlagLoopback != 0
}

func (w *wire) control(f func(fd int) error) error {
	c, err := w.conn.SyscallConn()
	if err != nil {
		return err
	}
	return errors.Join(c.Control(func(fd uintptr) { err = f(int(fd)) }), err)
}

// run hands each frame to take until ctx ends.
func (w *wire) run(ctx context.Context, take func(at time.Time, outgoing bool, b []byte)) error {
	stop := context.AfterFunc(ctx, func() { w.conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	rc, err := w.conn.SyscallConn()
	if err != nil {
		return fmt.Errorf("hear packets: %w", err)
	}
	pace := pacer{now: time.Now}
	for ctx.Err() == nil {
		switch err := rc.Read(func(uintptr) bool { return w.slots.ready() }); {
		case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, net.ErrClosed):
			return nil
		case err != nil: // the link is down, for instance
			wait(ctx, readErrorWait)
			continue
		}
		w.slots.take(take)
		wait(ctx, pace.rest())
	}
	return nil
}

// pacer bounds how many packets are read in a moment.
type pacer struct {
	now   func() time.Time
	since time.Time
	n     int
}

// rest is how long to wait before the next packet.
func (p *pacer) rest() time.Duration {
	now := p.now()
	if now.Sub(p.since) >= paceTime {
		p.since, p.n = now, 0
	}
	if p.n++; p.n < pacePlace {
		return 0
	}
	return p.since.Add(paceTime).Sub(now)
}

func wait(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
