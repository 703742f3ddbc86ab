// Package metrics tells Prometheus how the server does.
//
//	GET /metrics
//
// What happens is counted as it happens (Counters); of what is, each scrape takes
// one look, and nothing polls in between. Names begin with bootes_ and end in
// their unit; those of Go, of the process and of etcd are the usual ones. All are
// listed in docs/METRICS.md.
//
// A scrape that cannot be answered as a whole fails with status 500 and the
// reason, so that Prometheus' own "up" is 0: a half answer would silence every
// alert on what it lacks.
package metrics

import (
	"context"
	"log/slog"
	"net/http"
	"runtime"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Storage is what a scrape asks.
type Storage interface {
	// Usage is one look at the disk, the images and the volumes. It ends with
	// ctx.
	Usage(ctx context.Context) (Usage, error)
}

// Usage says where the bytes are, and where they run out.
type Usage struct {
	Free       int64 // bytes that an ordinary user could still write
	Reserve    int64 // bytes of Free that volumes and images may not take
	Freeing    int64 // bytes of what was removed that are not yet free
	NearlyFull bool  // Free is near Reserve
	Images     []Image
	Volumes    []Volume
}

// Image is what one image takes.
type Image struct {
	Name    string // name:tag
	Virtual int64  // bytes that a machine sees
	Own     int64  // bytes that its removal would free
}

// Volume is what one volume takes.
type Volume struct {
	ID, Machine, Mode string

	Size       int64 // bytes that its machine sees
	Used       int64 // bytes that count for the limit
	Limit      int64 // bytes; 0: none
	Own        int64 // bytes on disk that its removal would free
	Open       bool
	NearlyFull bool  // Used is near Limit
	Warnings   int64 // that were given of that, since the server's start
}

// Options for New. All are needed.
type Options struct {
	Storage Storage
	// Refused counts the iSCSI logins that were refused since the server's start,
	// by reason.
	Refused func() map[string]uint64
	// IO tells of the volumes that are open.
	IO func() []IO
	// Room tells of machines, addresses and sessions.
	Room func() (Room, error)
	// Traffic tells what all disks have been asked.
	Traffic  func() []Traffic
	Counters *Counters

	Version string // of this server
	Log     *slog.Logger
}

// Server answers scrapes. It is an http.Handler for one path, whatever that is.
type Server struct {
	o        Options
	registry *prometheus.Registry
	http.Handler
}

// maxScrapes at once; more are told to come again.
const maxScrapes = 4

// New returns a Server.
func New(o Options) *Server {
	s := &Server{o: o, registry: prometheus.NewRegistry()}
	s.registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		buildInfo(o.Version),
		usage{o.Storage},
		logins{o.Refused},
		latencies{o.IO},
		room{o.Room, o.Traffic},
	)
	s.registry.MustRegister(o.Counters.all()...)
	s.Handler = promhttp.HandlerFor(prometheus.Gatherers{s.registry, etcd{prometheus.DefaultGatherer}}, promhttp.HandlerOpts{
		ErrorLog:            slog.NewLogLogger(o.Log.Handler(), slog.LevelWarn),
		ErrorHandling:       promhttp.HTTPErrorOnError,
		MaxRequestsInFlight: maxScrapes,
	})
	return s
}

func buildInfo(version string) prometheus.Collector {
	g := prometheus.NewGauge(prometheus.GaugeOpts{
		Name:        "bootes_build_info",
		Help:        "Always 1; the labels say what this server was built of.",
		ConstLabels: prometheus.Labels{"version": version, "goversion": runtime.Version()},
	})
	g.Set(1)
	return g
}
