package dhcp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/sync/errgroup"
)

const (
	// workers handle messages at the same time. Most of them wait: REQUESTs for
	// the sync that they share.
	workers = 128
	queued  = 32 // messages waiting per worker
	crowded = 4  // of which DISCOVERs may make so many
	// reserve workers are for known machines alone, when the others have too
	// much to do. Whole rooms are switched on at once.
	reserve  = 8
	reserved = 512 // messages waiting for each of them

	batch         = 32 // messages read at once
	readErrorWait = 100 * time.Millisecond
)

// job is a datagram and the socket that it came in by.
type job struct {
	port *port
	in   datagram
	busy *atomic.Int32 // its worker's, once it is queued
}

// queues are in front of the workers. A client's messages all go to one worker,
// so that they are handled in their order. Whoever finds its queue full is
// dropped, and sends again after some seconds; a DISCOVER is dropped before that,
// so that those who have an offer come to their end. A known machine has a second
// queue. So the sockets are emptied at any rate, and in a flood nothing of known
// machines is lost to those who make it.
type queues struct {
	all   [workers]chan job
	known [reserve]chan job
	busy  [workers]atomic.Int32 // messages of each worker's clients that wait or are being answered
	seed  maphash.Seed
	isOne func(net.HardwareAddr) bool // reports whether it is a known machine's; nil: nobody's
}

func (s *Server) newQueues() *queues {
	q := &queues{seed: maphash.MakeSeed(), isOne: s.o.Known}
	for i := range q.all {
		q.all[i] = make(chan job, queued)
	}
	for i := range q.known {
		q.known[i] = make(chan job, reserved)
	}
	return q
}

// take queues a message, unless it is the DISCOVER of a system, came alone, and finds
// its client's worker idle. It waits for no sync, for an offer is in memory only, and to
// wake a worker for that delays its answer by more than the answer takes.
func (q *queues) take(ctx context.Context, j job, alone bool, send sender) {
	if !alone || !begins(j.in.data) || q.busy[q.at(j)%workers].Load() > 0 {
		q.put(j)
		return
	}
	switch x := j.port.link.open(j.in); {
	case x == nil:
	case x.q.Type != Discover || x.q.NetBoot || x.q.Simulated:
		exchanges.Put(x)
		q.put(j)
	default:
		x.run(ctx, send)
	}
}

// at tells a client's messages from others'.
func (q *queues) at(j job) uint64 { return maphash.Bytes(q.seed, client(j.in.data)) }

// put queues a message, or drops it.
func (q *queues) put(j job) {
	at := q.at(j)
	j.busy = &q.busy[at%workers]
	j.busy.Add(1)
	if queue := q.all[at%workers]; len(queue) < crowded || !begins(j.in.data) {
		select {
		case queue <- j:
			return
		default:
		}
	}
	if mac := client(j.in.data); q.isOne != nil && len(mac) == ethernetLen && q.isOne(mac) {
		select {
		case q.known[at%reserve] <- j:
			return
		default:
		}
	}
	j.busy.Add(-1)
	j.port.link.flood.dropped(j.in.data)
}

// serve reads every socket and hands the messages to the workers.
func (s *Server) serve(ctx context.Context, ports []*port, watchers []*watcher) error {
	group, ctx := errgroup.WithContext(ctx)
	q := s.newQueues()
	for _, queue := range append(q.all[:], q.known[:]...) {
		group.Go(func() error { work(ctx, queue); return nil })
	}
	spawn := bounded(group, maxLooking)
	for _, p := range ports {
		if p.neighbours != nil {
			p.link.conflicts.spawn = spawn
			group.Go(func() error { return p.neighbours.serve(ctx) })
		}
	}
	for _, p := range ports {
		group.Go(func() error {
			return p.read(ctx, func(in datagram, alone bool) { q.take(ctx, job{port: p, in: in}, alone, p.send) })
		})
	}
	for _, w := range watchers {
		group.Go(func() error { return w.run(ctx) })
	}
	group.Go(func() error { watchFloods(ctx, ports, s.o.Warn); return nil })
	group.Go(func() error { s.rush.watch(ctx); return nil })
	for _, p := range ports {
		p.link.introduce()
	}
	close(s.ready)
	return group.Wait()
}

// bounded runs functions in a group, at most so many at a time; false: it does not.
func bounded(group *errgroup.Group, limit int) func(func()) bool {
	running := make(chan struct{}, limit)
	return func(f func()) bool {
		select {
		case running <- struct{}{}:
		default:
			return false
		}
		group.Go(func() error {
			defer func() { <-running }()
			f()
			return nil
		})
		return true
	}
}

func work(ctx context.Context, queue <-chan job) {
	for {
		select {
		case <-ctx.Done():
			return
		case j := <-queue:
			j.port.link.handle(ctx, j.in, j.port.send)
			j.busy.Add(-1)
		}
	}
}

// begins reports whether a packet is a DISCOVER, with its message type in the
// usual place: the first option.
func begins(b []byte) bool {
	const options = headerLen + 4
	return len(b) > options+2 && b[options] == optMessageType && b[options+1] == 1 && MessageType(b[options+2]) == Discover
}

// client cuts chaddr out of a packet that may yet prove malformed.
func client(b []byte) []byte {
	const chaddr = 28
	return b[min(chaddr, len(b)):min(chaddr+ethernetLen, len(b))]
}

// read hands each packet to take until ctx ends, and says whether it came alone.
func (p *port) read(ctx context.Context, take func(in datagram, alone bool)) error {
	stop := context.AfterFunc(ctx, func() { p.conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	ms := make([]ipv4.Message, batch)
	for i := range ms {
		ms[i].Buffers = [][]byte{make([]byte, maxDatagram)}
		ms[i].OOB = ipv4.NewControlMessage(ipv4.FlagDst | ipv4.FlagInterface)
	}
	for {
		n, err := p.conn.ReadBatch(ms, 0)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("read DHCP messages on interface %q: %w", p.link.config.Name, err)
		case err != nil: // the link is down, for instance
			p.link.log.Warn("cannot read DHCP messages", "interface", p.link.config.Name, "error", err)
			wait(ctx, readErrorWait)
			continue
		}
		for i := range ms[:n] {
			take(p.datagram(&ms[i]), n == 1)
		}
	}
}

func (p *port) datagram(m *ipv4.Message) datagram {
	in := datagram{data: bytes.Clone(m.Buffers[0][:m.N]), port: p.number}
	if u, ok := m.Addr.(*net.UDPAddr); ok {
		in.from = netip.AddrPortFrom(u.AddrPort().Addr().Unmap(), u.AddrPort().Port())
	}
	var cm ipv4.ControlMessage
	if cm.Parse(m.OOB[:m.NN]) == nil {
		in.to = addr(cm.Dst.To4())
	}
	return in
}

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
