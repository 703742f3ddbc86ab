// Package httpboot serves boot files over HTTP: the iPXE script made for one
// machine, and the loaders.
//
//	GET /ipxe/52-54-00-12-34-56   the machine's script
//	GET /loader/snponly.efi       a loader, also for UEFI HTTP boot
package httpboot

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"sync"
	"time"

	"golang.org/x/net/netutil"
)

// Script makes a machine's script. Its error's text goes to the log, not to
// the machine; ErrForbidden answers 403.
type Script func(ctx context.Context, r ScriptRequest) (string, error)

// ScriptRequest is who asks for a script, and through which of our addresses.
type ScriptRequest struct {
	MAC    net.HardwareAddr
	Remote netip.AddrPort
	Local  netip.AddrPort
	Facts  url.Values // the query; nil if it is longer than any of ours
}

// maxQuery is more than iPXE says of a machine.
const maxQuery = 4 << 10

// facts reads a query, of which only short ones are ours.
func facts(r *http.Request) url.Values {
	if len(r.URL.RawQuery) > maxQuery {
		return nil
	}
	return r.URL.Query()
}

// ErrForbidden: the asker's address is not that machine's.
var ErrForbidden = errors.New("address is not that machine's")

// Options for New. All but Fetched are needed.
type Options struct {
	Script  Script
	Loaders fs.FS // served under /loader/, top level only
	Fetched func(name string, remote netip.AddrPort, bytes int64)
	Log     *slog.Logger
}

// Server answers HTTP.
type Server struct {
	o Options
	h http.Handler
}

// New returns a Server.
func New(o Options) *Server {
	s := &Server{o: o}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /ipxe/{mac}", s.script)
	mux.HandleFunc("GET /loader/{name}", s.loader)
	s.h = mux
	return s
}

// maxConns bounds the connections: more wait to be accepted. Descriptors are
// shared with the disks of machines that run.
const maxConns = 1024

// Serve answers on l until ctx ends. Requests under way get a second to end.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	var requests sync.WaitGroup
	defer requests.Wait()
	srv := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			requests.Add(1)
			defer requests.Done()
			s.h.ServeHTTP(w, r)
		}),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      5 * time.Minute,
		IdleTimeout:       60 * time.Second,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(s.o.Log.Handler(), slog.LevelDebug),
	}
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		grace, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if srv.Shutdown(grace) != nil {
			srv.Close()
		}
	})
	err := srv.Serve(netutil.LimitListener(l, maxConns))
	if !stop() {
		<-stopped
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serve http on %s: %w", l.Addr(), err)
}

func (s *Server) script(w http.ResponseWriter, r *http.Request) {
	mac, err := net.ParseMAC(r.PathValue("mac"))
	if err != nil || len(mac) != 6 {
		http.Error(w, "not a MAC address; want /ipxe/52-54-00-12-34-56", http.StatusBadRequest)
		return
	}
	req := ScriptRequest{MAC: mac, Remote: remote(r), Local: local(r), Facts: facts(r)}
	if r.Method == http.MethodHead {
		w.Header().Set("Content-Type", "text/plain")
		return // a script is made only for who will run it
	}
	text, err := s.o.Script(r.Context(), req)
	switch {
	case errors.Is(err, ErrForbidden):
		s.o.Log.Warn("script refused", "mac", mac, "remote", req.Remote, "err", err)
		http.Error(w, "this script is another machine's", http.StatusForbidden)
	case err != nil:
		s.o.Log.Error("script could not be made", "mac", mac, "err", err)
		http.Error(w, "script could not be made; the server's log says why", http.StatusInternalServerError)
	default:
		w.Header().Set("Content-Type", "text/plain")
		w.Header().Set("Cache-Control", "no-store")
		fmt.Fprint(w, text)
	}
}

func (s *Server) loader(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	if path.Ext(name) == ".efi" {
		// UEFI HTTP boot takes the type for the kind of image (UEFI 2.10, 24.7.3.3).
		w.Header().Set("Content-Type", "application/efi")
	}
	c := &counter{ResponseWriter: w}
	http.ServeFileFS(c, r, s.o.Loaders, name)
	if r.Method == http.MethodGet && c.code < 300 && s.o.Fetched != nil {
		s.o.Fetched(name, remote(r), c.n)
	}
}

// counter notes a response's status and the bytes of its body.
type counter struct {
	http.ResponseWriter
	code int
	n    int64
}

func (c *counter) WriteHeader(code int) {
	c.code = code
	c.ResponseWriter.WriteHeader(code)
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.ResponseWriter.Write(p)
	c.n += int64(n)
	return n, err
}

func remote(r *http.Request) netip.AddrPort {
	a, _ := netip.ParseAddrPort(r.RemoteAddr)
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

// local is the address of ours that the request came in by: the one that the
// machine can surely reach.
func local(r *http.Request) netip.AddrPort {
	a, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	p := a.AddrPort()
	return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
}
