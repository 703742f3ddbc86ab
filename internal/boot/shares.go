package boot

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"bootes.dev/internal/diagnose"
)

// A room whose folders are on one server asks for that at the same moment, and all
// its machines mount the same.

const (
	shareCounts = time.Minute // for how long an answer does
	maxShares   = 256         // servers
	// shareWait is for how long a diagnosis waits for its turn: disks that name
	// servers which do not answer hold up nobody else's.
	shareWait = 5 * time.Second
)

// shareAnswers are those of servers of shares.
type shareAnswers struct {
	turn chan struct{} // full while one is asked
	of   map[netip.AddrPort]shareAnswer

	deaf   netip.Addr // the DNS server that did not answer; zero: none
	deafOn string     // of that interface
	deafAt time.Time
}

func newShareAnswers() shareAnswers { return shareAnswers{turn: make(chan struct{}, 1)} }

type shareAnswer struct {
	at     time.Time
	answer diagnose.Answer
}

// shares asks the computers whose folders the /etc/fstab of a's disk mounts whether
// they are there, and adds to what was found in the disk those that are not.
func (s *Service) shares(ctx context.Context, a *attempt, c diagnose.Contents) diagnose.Contents {
	if s.Neighbours == nil {
		return c
	}
	var iface string
	var machine netip.Addr
	s.attempts.with(a, func() { iface, machine = a.iface, a.seen.IPXE.Has })
	c.Shares, c.Findings = slices.Clone(c.Shares), slices.Clip(c.Findings)
	for i := range c.Shares {
		x := &c.Shares[i]
		if !x.Server.IsValid() {
			s.named(ctx, iface, machine, x)
		}
		if x.Server.IsValid() && x.Port != 0 {
			x.Answer = s.serves(ctx, netip.AddrPortFrom(x.Server, x.Port))
		}
		if f, wrong := x.Finding(); wrong {
			c.Findings = append(c.Findings, f)
		}
	}
	return c
}

// shareTurn waits until it may be asked for shares; then done is to be called.
func (s *Service) shareTurn(ctx context.Context) (done func(), ok bool) {
	select {
	case s.shared.turn <- struct{}{}:
		return func() { <-s.shared.turn }, true
	case <-time.After(s.shareWait):
	case <-ctx.Done():
	}
	return nil, false
}

// named finds the address of a share's server as the machine would, unless that was
// tried lately and nobody answered.
func (s *Service) named(ctx context.Context, iface string, machine netip.Addr, x *diagnose.Share) {
	done, ok := s.shareTurn(ctx)
	if !ok {
		return
	}
	defer done()
	k := &s.shared
	if k.deaf.IsValid() && s.now().Sub(k.deafAt) < shareCounts && k.deafOn == iface {
		x.Told, x.Answer = k.deaf, diagnose.DNSSilent
		return
	}
	k.deaf = netip.Addr{}
	a, asked, err := s.Neighbours.Lookup(ctx, iface, machine, x.Host)
	switch x.Server, x.Told = a, asked; {
	case ctx.Err() != nil || !asked.IsValid():
	case err != nil:
		x.Answer = diagnose.DNSSilent
		k.deaf, k.deafAt, k.deafOn = asked, s.now(), iface
	case !a.IsValid():
		x.Answer = diagnose.Nameless
	}
}

// serves asks a server, unless that was done lately.
func (s *Service) serves(ctx context.Context, at netip.AddrPort) diagnose.Answer {
	done, ok := s.shareTurn(ctx)
	if !ok {
		return diagnose.NotAsked
	}
	defer done()
	k := &s.shared
	if l, ok := k.of[at]; ok && s.now().Sub(l.at) < shareCounts {
		return l.answer
	}
	if k.of == nil || len(k.of) >= maxShares {
		k.of = map[netip.AddrPort]shareAnswer{}
	}
	a := s.Neighbours.Serves(ctx, at)
	k.of[at] = shareAnswer{s.now(), a}
	return a
}
