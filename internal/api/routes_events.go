package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
)

func (s *Server) eventRoutes(a huma.API) {
	op := operation(http.MethodGet, "watch-events", "/v1/events", "Boot events from now on", http.StatusOK)
	op.Description = "The answer is a stream of events, one a line (application/x-ndjson), that ends when the client goes or the server stops. " +
		"A client that does not keep up misses events."
	huma.Register(a, op, func(context.Context, *struct{}) (*huma.StreamResponse, error) {
		return &huma.StreamResponse{Body: s.watch}, nil
	})
}

func (s *Server) watch(hc huma.Context) {
	ctx, cancel := untilEnd(hc.Context())
	defer cancel()
	events, stop := s.o.Boots.Watch()
	defer stop()
	out := newStream(hc)
	if out.start() != nil { // the client learns at once that it watches
		return
	}
	for {
		select {
		case <-ctx.Done():
			return
		case e, ok := <-events:
			if !ok || out.send(e) != nil {
				return
			}
		}
	}
}
