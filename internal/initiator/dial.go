package initiator

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Dial logs in at addr, host:port, and returns the session. ctx bounds the
// login only. A refusal is a *LoginError.
func Dial(ctx context.Context, addr string, o Options) (*Session, error) {
	if err := o.ensureDefaults(); err != nil {
		return nil, err
	}
	for range maxRedirects {
		s, err := dialOnce(ctx, addr, &o)
		var moved *LoginError
		if !o.FollowRedirects || !errors.As(err, &moved) || moved.Address == "" {
			return s, err
		}
		addr = moved.Address
	}
	return nil, fmt.Errorf("log in to %q: redirected more than %d times", o.Target, maxRedirects)
}

func dialOnce(ctx context.Context, addr string, o *Options) (*Session, error) {
	conn, err := o.Dial(ctx, addr)
	if err != nil {
		return nil, fmt.Errorf("connect to %q: %w", addr, err)
	}
	s := newSession(conn, o)
	// A deadline in the past wakes whatever waits when ctx ends.
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	l := login{
		conn: conn, in: s.in, o: o, cmdSN: 1,
		got: Negotiated{Portal: addr, MaxData: 8192, MaxBurst: 256 << 10, FirstBurst: 64 << 10, InitialR2T: true},
	}
	err = l.run()
	if !stop() {
		err = errors.Join(ctx.Err(), err)
	}
	if err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("log in to %q at %s: %w", o.Target, addr, err)
	}
	s.begin(&l)
	return s, nil
}
