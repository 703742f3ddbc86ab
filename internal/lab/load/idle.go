package load

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"bootes.dev/internal/initiator"
)

// Idle is many sessions that log in and then do nothing.
type Idle struct {
	Endpoint
	Sessions int
	Metrics  string // unix socket on which the target tells of its Go heap, or ""
}

// IdleReport is the target's memory, in bytes, before and with the sessions.
type IdleReport struct {
	Before, With Memory
	Login        time.Duration // for all of them, one after the other
}

// Memory of a target.
type Memory struct {
	Resident int64
	Heap     int64 // Go's heap and stacks in use; 0 where it is not known
}

func (i *Idle) run(ctx context.Context, server int) (r IdleReport, err error) {
	if r.Before, err = i.memory(ctx, server); err != nil {
		return r, err
	}
	var all []*initiator.Session
	defer func() {
		for _, s := range all {
			err = errors.Join(err, s.Close())
		}
	}()
	began := time.Now()
	for range i.Sessions {
		s, err := i.dial(ctx, 1)
		if err != nil {
			return r, fmt.Errorf("log in beside %d idle sessions: %w", len(all), err)
		}
		all = append(all, s)
	}
	r.Login = time.Since(began)
	if err := pause(ctx, 500*time.Millisecond); err != nil {
		return r, err
	}
	if r.With, err = i.memory(ctx, server); err != nil {
		return r, err
	}
	for n, s := range all {
		if err := s.Ping(ctx, []byte("still here")); err != nil {
			return r, fmt.Errorf("idle session %d: %w", n, err)
		}
	}
	return r, nil
}

func (i *Idle) memory(ctx context.Context, server int) (m Memory, err error) {
	if m.Resident, err = Resident(server); err != nil || i.Metrics == "" {
		return m, err
	}
	m.Heap, err = scrape(ctx, i.Metrics, "go_memstats_heap_inuse_bytes", "go_memstats_stack_inuse_bytes")
	return m, err
}

// scrape adds up gauges that a server tells Prometheus.
func scrape(ctx context.Context, socket string, names ...string) (sum int64, err error) {
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
	}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://bootes/metrics", nil)
	if err != nil {
		return 0, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, fmt.Errorf("ask for metrics: %w", err)
	}
	defer resp.Body.Close()
	found := 0
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), " ")
		for _, n := range names {
			if n == name {
				v, err := strconv.ParseFloat(value, 64)
				if err != nil {
					return 0, fmt.Errorf("read metric %q: %w", name, err)
				}
				sum, found = sum+int64(v), found+1
			}
		}
	}
	if found != len(names) {
		return 0, fmt.Errorf("ask for metrics: %d of %q (%s)", found, names, resp.Status)
	}
	return sum, nil
}
