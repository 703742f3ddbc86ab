package main

import (
	"context"
	"sync/atomic"

	"bootes.dev/internal/boot"
	"bootes.dev/internal/iscsi"
)

// targets are the machines' iSCSI targets, as storage sees them. Before serve is
// called there are no sessions.
type targets struct {
	now atomic.Pointer[running]
}

type running struct {
	server *iscsi.Server
	boot   *boot.Service
}

func (t *targets) serve(s *iscsi.Server, b *boot.Service) { t.now.Store(&running{s, b}) }

func (t *targets) EndDead(ctx context.Context, machine string) {
	if r := t.now.Load(); r != nil {
		r.server.EndDead(ctx, r.boot.Target(machine))
	}
}

func (t *targets) Vacate(ctx context.Context, machine, reason string) (release func(), err error) {
	r := t.now.Load()
	if r == nil {
		return func() {}, nil
	}
	return r.server.Vacate(ctx, r.boot.Target(machine), reason)
}
