package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

// Server answers requests.
type Server struct {
	o       Options
	mux     *http.ServeMux
	started time.Time
}

// New returns a server over o.
func New(o Options) *Server {
	s := &Server{o: o, mux: http.NewServeMux(), started: time.Now()}
	c := huma.DefaultConfig("Boötes", o.Version)
	c.DocsPath = "" // its page would load scripts from the internet
	c.SchemasPath = ""
	c.CreateHooks = nil // no "$schema" in every answer
	c.RejectUnknownQueryParameters = true
	a := humago.New(s.mux, c)
	s.statusRoutes(a)
	s.imageRoutes(a)
	s.machineRoutes(a)
	s.traceRoute(optional(a, s.o.Traces != nil, "traces of boots"))
	s.volumeRoutes(a)
	s.attachmentRoutes(optional(a, s.o.Attachments != nil, "data volumes"))
	s.credentialsRoutes(optional(a, s.o.Credentials != nil, "static credentials"))
	s.waitingRoutes(optional(a, s.o.Waiting != nil, "approval of machines"))
	s.simulationRoutes(optional(a, s.o.Simulations != nil, "simulations"))
	s.updateRoutes(optional(a, s.o.Updates != nil, "images of volumes"))
	s.streamRoutes(optional(a, s.o.Streams != nil, "exports and backups"))
	s.fileRoutes(optional(a, s.o.Files != nil, "a look into disks"))
	s.dhcpRoutes(optional(a, s.o.DHCP != nil, "a look at DHCP"))
	s.loaderRoutes(optional(a, s.o.Loaders != nil, "the loaders that firmware is given"))
	s.bootRoutes(a)
	s.leaseRoutes(optional(a, s.o.Leases != nil, "leases"))
	s.spaceRoutes(optional(a, s.o.Space != nil, "an overview of space"))
	s.packetRoutes(optional(a, s.o.Packets != nil, "packets of machines"))
	s.eventRoutes(a)
	s.metricsRoute()
	s.mux.HandleFunc("/", noRoute)
	return s
}

// grace is how long requests may go on after the end was asked for. Streams
// and imports are cancelled at once.
const grace = 3 * time.Second

// Serve answers on l, which it closes, until ctx ends and every request has
// been answered.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	var requests running
	defer requests.wait()
	h := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if requests.begin() {
				defer requests.Done()
				s.mux.ServeHTTP(w, r)
			}
		}),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		BaseContext: func(net.Listener) context.Context {
			return context.WithValue(context.WithoutCancel(ctx), endKey{}, ctx)
		},
		ConnContext: withConn,
		ErrorLog:    slog.NewLogLogger(s.o.Log.Handler(), slog.LevelWarn),
	}
	shut := make(chan struct{})
	go func() {
		defer close(shut)
		<-ctx.Done()
		late, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
		defer cancel()
		if h.Shutdown(late) != nil {
			h.Close()
		}
	}()
	if err := h.Serve(receiving{l}); !errors.Is(err, http.ErrServerClosed) {
		h.Close()
		return fmt.Errorf("serve API: %w", err)
	}
	<-shut
	return nil
}

// running counts requests. http.Server.Close does not wait for them.
type running struct {
	sync.WaitGroup
	mu    sync.Mutex
	ended bool
}

func (r *running) begin() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.ended {
		r.Add(1)
	}
	return !r.ended
}

func (r *running) wait() {
	r.mu.Lock()
	r.ended = true
	r.mu.Unlock()
	r.Wait()
}

type endKey struct{}

// untilEnd returns a context that ends with the request, and as soon as the
// server is to end. Short requests do not want it: they are let finish.
func untilEnd(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	if end, ok := ctx.Value(endKey{}).(context.Context); ok {
		stop := context.AfterFunc(end, cancel)
		return ctx, func() { stop(); cancel() }
	}
	return ctx, cancel
}

// noRoute answers what no route does, in the form of every other error.
func noRoute(w http.ResponseWriter, r *http.Request) {
	writeProblem(w, Errorf(NotFound, "no such resource: %s %s (GET /openapi.json lists them)", r.Method, r.URL.Path))
}

func writeProblem(w http.ResponseWriter, p *Error) {
	w.Header().Set("Content-Type", p.ContentType(""))
	w.WriteHeader(p.Status)
	json.NewEncoder(w).Encode(p)
}

func (s *Server) statusRoutes(a huma.API) {
	huma.Register(a, get("status", "/v1/status", "Who answers"),
		func(context.Context, *struct{}) (*answer[Status], error) {
			return reply(Status{Version: s.o.Version, PID: os.Getpid(), Started: s.started}, nil)
		})
}

// metricsRoute is no part of the OpenAPI: it speaks Prometheus' own format.
func (s *Server) metricsRoute() {
	h := s.o.Metrics
	if h == nil {
		h = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { writeProblem(w, lacking("metrics")) })
	}
	s.mux.Handle("GET /metrics", h)
}

// answer is what huma wants around a body.
type answer[T any] struct{ Body T }

func reply[T any](body T, err error) (*answer[T], error) {
	if err != nil {
		return nil, problem(err)
	}
	return &answer[T]{body}, nil
}

func get(id, path, summary string) huma.Operation {
	return huma.Operation{OperationID: id, Method: http.MethodGet, Path: path, Summary: summary}
}

func operation(method, id, path, summary string, status int) huma.Operation {
	return huma.Operation{OperationID: id, Method: method, Path: path, Summary: summary, DefaultStatus: status}
}
