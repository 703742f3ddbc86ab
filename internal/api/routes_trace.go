package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// Trace is what a machine read of an image while it booted.
type Trace struct {
	Image    string      `json:"image" doc:"name:tag"`
	Machine  string      `json:"machine" doc:"that booted"`
	Began    time.Time   `json:"began" doc:"the first READ"`
	Size     int64       `json:"size" doc:"of the disk, in bytes"`
	Bytes    int64       `json:"bytes" doc:"that were read, what was read twice counted twice"`
	Distinct int64       `json:"distinct" doc:"bytes of the disk that were read"`
	TookUS   int64       `json:"took_us" doc:"microseconds from the first READ to the last"`
	Cut      bool        `json:"cut" doc:"the boot went on when the recording was full"`
	Marks    []TraceMark `json:"marks" doc:"steps of the boot"`
	Reads    []TraceRead `json:"reads" doc:"in the order in which they came"`
}

// TraceMark is a step of a boot.
type TraceMark struct {
	AtUS int64  `json:"at_us" doc:"microseconds since the first READ"`
	Text string `json:"text"`
}

// TraceRead is one READ of a boot.
type TraceRead struct {
	AtUS   int64 `json:"at_us" doc:"microseconds since the first READ"`
	Offset int64 `json:"offset" doc:"bytes from the beginning of the disk"`
	Length int64 `json:"length" doc:"bytes"`
}

// Traces is what the server asks about the reads of boots.
type Traces interface {
	Trace(ctx context.Context, ref string) (Trace, error)
}

func (s *Server) traceRoute(a huma.API) {
	huma.Register(a, get("image-trace", "/v1/images/{name}/{tag}/trace", "What a machine read of an image while it booted"),
		func(ctx context.Context, in *imagePath) (*answer[Trace], error) {
			t, err := s.o.Traces.Trace(ctx, in.ref())
			t.Marks, t.Reads = orEmpty(t.Marks), orEmpty(t.Reads)
			return reply(t, err)
		})
}

// Trace asks what a machine read of an image while it booted.
func (c *Client) Trace(ctx context.Context, ref string) (t Trace, err error) {
	path, err := imageURL(ref)
	if err != nil {
		return t, err
	}
	return t, c.call(ctx, http.MethodGet, path+"/trace", nil, &t)
}
