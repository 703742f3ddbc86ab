package api

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

// stall is how long a client may leave a full socket unread.
const stall = 30 * time.Second

// stream writes JSON values, one a line, each sent at once.
type stream struct {
	w       http.ResponseWriter
	rc      *http.ResponseController
	started bool
}

func newStream(ctx huma.Context) *stream {
	_, w := humago.Unwrap(ctx)
	return &stream{w: w, rc: http.NewResponseController(w)}
}

func (s *stream) start() error {
	if s.started {
		return nil
	}
	s.started = true
	s.w.Header().Set("Content-Type", "application/x-ndjson")
	s.w.WriteHeader(http.StatusOK)
	return s.rc.Flush()
}

func (s *stream) send(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	s.rc.SetWriteDeadline(time.Now().Add(stall))
	if err := s.start(); err != nil {
		return err
	}
	if _, err := s.w.Write(append(b, '\n')); err != nil {
		return err
	}
	return s.rc.Flush()
}
