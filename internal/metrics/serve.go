package metrics

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"golang.org/x/net/netutil"
)

// maxConns bounds the connections: more wait to be accepted. Descriptors are
// shared with the disks of machines that run.
const maxConns = 16

// Serve answers on l, which it closes, until ctx ends. Scrapes under way are
// answered still: these timeouts bound how long.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", s)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "not here: GET /metrics", http.StatusNotFound)
	})
	srv := &http.Server{
		Handler:        mux,
		ReadTimeout:    5 * time.Second,
		WriteTimeout:   2 * patience,
		IdleTimeout:    2 * time.Minute,
		MaxHeaderBytes: 16 << 10,
		ErrorLog:       slog.NewLogLogger(s.o.Log.Handler(), slog.LevelDebug),
	}
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(ended)
		srv.Shutdown(context.WithoutCancel(ctx))
	})
	err := srv.Serve(netutil.LimitListener(l, maxConns))
	if stop() {
		srv.Shutdown(ctx)
		return fmt.Errorf("serve metrics on %s: %w", l.Addr(), err)
	}
	<-ended
	if !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve metrics on %s: %w", l.Addr(), err)
	}
	return nil
}
