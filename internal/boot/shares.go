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
}

func newShareAnswers() shareAnswers { return shareAnswers{turn: make(chan struct{}, 1)} }

type shareAnswer struct {
	at     time.Time
	answer diagnose.Answer
}

// shares asks the computers whose folders a disk's /etc/fstab mounts whether they
// are there, and adds to what was found in the disk those that are not.
func (s *Service) shares(ctx context.Context, c diagnose.Contents) diagnose.Contents {
	if s.Neighbours == nil {
		return c
	}
	c.Shares, c.Findings = slices.Clone(c.Shares), slices.Clip(c.Findings)
	for i := range c.Shares {
		x := &c.Shares[i]
		if x.Server.IsValid() && x.Port != 0 {
			x.Answer = s.serves(ctx, netip.AddrPortFrom(x.Server, x.Port))
		}
		if f, wrong := x.Finding(); wrong {
			c.Findings = append(c.Findings, f)
		}
	}
	return c
}

// serves asks a server, unless that was done lately.
func (s *Service) serves(ctx context.Context, at netip.AddrPort) diagnose.Answer {
	k := &s.shared
	select {
	case k.turn <- struct{}{}:
		defer func() { <-k.turn }()
	case <-time.After(s.shareWait):
		return diagnose.NotAsked
	case <-ctx.Done():
		return diagnose.NotAsked
	}
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
