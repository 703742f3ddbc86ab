package httpboot

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func TestSparingly(t *testing.T) {
	var s sparingly
	asker := func(n int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, byte(n >> 8), byte(n)}) }
	for _, step := range []struct {
		name  string
		asker int
		at    time.Duration
		want  slog.Level
	}{
		{"the first time", 1, 0, slog.LevelWarn},
		{"within a minute", 1, sparingTime - 1, slog.LevelDebug},
		{"another asker", 2, sparingTime - 1, slog.LevelWarn},
		{"a minute later", 1, sparingTime, slog.LevelWarn},
		{"a minute after that begins anew", 1, 2*sparingTime - 1, slog.LevelDebug},
	} {
		if got := s.level(asker(step.asker), time.Unix(0, 0).Add(step.at)); got != step.want {
			t.Errorf("%s: %v, want %v", step.name, got, step.want)
		}
	}
	loud := 0
	now := time.Unix(600, 0)
	for n := range 2 * maxAskers {
		if s.level(asker(n), now) == slog.LevelWarn {
			loud++
		}
	}
	if loud != maxAskers || len(s.warned) != maxAskers {
		t.Errorf("%d askers are warned of and %d remembered, want %d", loud, len(s.warned), maxAskers)
	}
	if got := s.level(asker(5000), now.Add(sparingTime)); got != slog.LevelWarn || len(s.warned) != 1 {
		t.Errorf("a minute later: %v, and %d are remembered", got, len(s.warned))
	}
}

func TestRefusedScriptIsToldSparingly(t *testing.T) {
	var log bytes.Buffer
	base := serve(t, Options{
		Log: slog.New(slog.NewTextHandler(&log, nil)),
		Script: func(context.Context, ScriptRequest) (string, error) {
			return "", fmt.Errorf("refuse script: %w", ErrForbidden)
		},
	})
	for range 3 {
		if code, _, _ := get(t, "GET", base+"/ipxe/52-54-00-00-00-02"); code != http.StatusForbidden {
			t.Errorf("GET = %d", code)
		}
	}
	http.DefaultClient.CloseIdleConnections()
	if n := strings.Count(log.String(), `level=WARN msg="script refused" mac=52:54:00:00:00:02 remote=127.0.0.1:`); n != 1 {
		t.Errorf("told of %d times, want once:\n%s", n, log.String())
	}
}
