package room

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Load is a steady rate of DISCOVER–ACK exchanges, each of another client, all
// through one relay: us.
type Load struct {
	Server, Relay netip.Addr
	Rate          int // exchanges a second
	Seconds       float64
	Clients       int // after that many, they begin anew
	First         int // number of the first client
	Keep          bool
}

// Figures are of the exchanges of a Load.
type Figures struct {
	Begun, Done   int
	P50, P99, Max time.Duration // from DISCOVER to ACK
	// Acknowledged is the address of each client's last ACK by its hardware
	// address, if the Load says Keep.
	Acknowledged map[string]netip.Addr `json:",omitempty"`
}

// patience with exchanges that are not done when the last has begun.
const patience = time.Second

// Exchange puts a load on a DHCP server.
func Exchange(ctx context.Context, l Load) (f Figures, err error) {
	conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(l.Relay, serverPort)))
	if err != nil {
		return f, fmt.Errorf("be a relay: %w", err)
	}
	defer conn.Close()
	_ = conn.SetReadBuffer(4 << 20)
	x := &exchanges{Load: l, conn: conn, to: netip.AddrPortFrom(l.Server, serverPort), began: make([]time.Time, int(float64(l.Rate)*l.Seconds)+1)}
	if l.Keep {
		x.acknowledged = map[string]netip.Addr{}
	}
	var reader sync.WaitGroup
	reader.Go(x.read)
	x.send(ctx)
	select {
	case <-time.After(patience):
	case <-ctx.Done():
	}
	if err := conn.SetReadDeadline(time.Unix(1, 0)); err != nil {
		return f, err
	}
	reader.Wait()
	f = Figures{Begun: x.sent, Done: len(x.took), Acknowledged: x.acknowledged}
	if slices.Sort(x.took); len(x.took) > 0 {
		at := func(q int) time.Duration { return x.took[(len(x.took)-1)*q/100] }
		f.P50, f.P99, f.Max = at(50), at(99), at(100)
	}
	return f, ctx.Err()
}

type exchanges struct {
	Load
	conn  *net.UDPConn
	to    netip.AddrPort
	sent  int
	mu    sync.Mutex
	began []time.Time // by xid
	took  []time.Duration

	acknowledged map[string]netip.Addr
}

// mac is the hardware address of the client of an exchange.
func (x *exchanges) mac(xid int) net.HardwareAddr { return mac(x.First + xid%x.Clients) }

// sleep is by nanosleep(2): while nothing else runs Go's timers wake but once a
// millisecond, and exchanges would begin in bursts.
func sleep(d time.Duration) {
	t := unix.NsecToTimespec(int64(d))
	_ = unix.Nanosleep(&t, nil) // a signal may end it sooner
}

// send begins exchanges as their time comes.
func (x *exchanges) send(ctx context.Context) {
	gap := time.Second / time.Duration(x.Rate)
	start := time.Now()
	for ; x.sent < len(x.began) && ctx.Err() == nil; x.sent++ {
		due := start.Add(time.Duration(x.sent) * gap)
		for early := time.Until(due); early > 0; early = time.Until(due) {
			sleep(early)
		}
		b := append(message(uint32(x.sent), x.mac(x.sent), x.Relay, discover), optEnd)
		x.mu.Lock()
		x.began[x.sent] = time.Now()
		x.mu.Unlock()
		_, _ = x.conn.WriteToUDPAddrPort(b, x.to) // what is lost is counted
	}
}

// read answers offers, and notes when exchanges are done.
func (x *exchanges) read() {
	buf := make([]byte, 2048)
	for {
		n, _, err := x.conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		a, err := parse(buf[:n])
		if err != nil || int(a.xid) >= len(x.began) {
			continue
		}
		switch a.kind {
		case offer:
			b := message(a.xid, x.mac(int(a.xid)), x.Relay, request)
			b = option(option(b, optRequested, a.addr.AsSlice()), optServerID, a.server.AsSlice())
			_, _ = x.conn.WriteToUDPAddrPort(append(b, optEnd), x.to)
		case ack:
			x.mu.Lock()
			x.took = append(x.took, time.Since(x.began[a.xid]))
			if x.Keep {
				x.acknowledged[x.mac(int(a.xid)).String()] = a.addr
			}
			x.mu.Unlock()
		}
	}
}
