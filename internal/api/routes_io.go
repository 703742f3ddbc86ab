package api

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// VolumeIO is what machines do with a volume: since it was opened, and how fast
// just now. A volume that is not open has no ops.
type VolumeIO struct {
	Volume string     `json:"volume" doc:"id"`
	Since  *time.Time `json:"since,omitempty" doc:"when it was opened; absent: it is not open"`
	Ops    []OpIO     `json:"ops" doc:"by kind of command"`
	Slow   []SlowIO   `json:"slow" doc:"the last slow commands (log.slow_io), oldest first"`
}

// OpIO is what commands of one kind did. Quantiles are to within 19 percent.
type OpIO struct {
	Op             string  `json:"op" enum:"read,write,flush,unmap"`
	IOPS           float64 `json:"iops" doc:"commands a second, while the question was answered"`
	BytesPerSecond float64 `json:"bytes_per_second" doc:"likewise"`
	Commands       uint64  `json:"commands" doc:"since the volume was opened"`
	Bytes          uint64  `json:"bytes" doc:"likewise"`
	MeanUS         int64   `json:"mean_us" doc:"microseconds from the arrival of a command to its answer, on average"`
	P50US          int64   `json:"p50_us" doc:"that half of them took at most"`
	P99US          int64   `json:"p99_us" doc:"that 99 of 100 took at most"`
}

// SlowIO is one slow command, and where it waited, in microseconds.
type SlowIO struct {
	At       time.Time `json:"at"`
	Machine  string    `json:"machine" doc:"the address it came from"`
	LUN      uint8     `json:"lun"`
	Op       string    `json:"op" enum:"read,write,flush,unmap"`
	Offset   int64     `json:"offset" doc:"on the volume, in bytes"`
	Length   int64     `json:"length" doc:"in bytes"`
	TotalUS  int64     `json:"total_us"`
	QueueUS  int64     `json:"queue_us" doc:"for other commands of its session"`
	LockUS   int64     `json:"lock_us" doc:"for ordered commands"`
	LimitUS  int64     `json:"limit_us" doc:"for the limits of the volume"`
	DiskUS   int64     `json:"disk_us" doc:"for the server's disk"`
	SocketUS int64     `json:"socket_us" doc:"for the machine or the network"`
}

// IO is what the server asks about the traffic of volumes.
type IO interface {
	// VolumeIO looks at a volume for a while.
	VolumeIO(ctx context.Context, id string, over time.Duration) (VolumeIO, error)
}

const maxLook = time.Minute

type ioQuestion struct {
	ID   string `path:"id"`
	Over int64  `query:"over_ms" default:"1000" minimum:"10" maximum:"60000" doc:"milliseconds to look for"`
}

func (s *Server) ioRoute(a huma.API) {
	huma.Register(a, get("volume-io", volumeRoot+"/io", "What machines do with a volume, and what was slow"),
		func(ctx context.Context, in *ioQuestion) (*answer[VolumeIO], error) {
			v, err := s.o.IO.VolumeIO(ctx, in.ID, time.Duration(in.Over)*time.Millisecond)
			v.Ops, v.Slow = orEmpty(v.Ops), orEmpty(v.Slow)
			return reply(v, err)
		})
}

// VolumeIO looks at a volume for a while, of at most a minute.
func (c *Client) VolumeIO(ctx context.Context, id string, over time.Duration) (v VolumeIO, err error) {
	path := fmt.Sprintf("%s/io?over_ms=%d", volumeURL(id), min(over, maxLook).Milliseconds())
	return v, c.call(ctx, http.MethodGet, path, nil, &v)
}
