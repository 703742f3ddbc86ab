// Package httpboot serves boot files over HTTP: the iPXE script made for one
// machine, the loaders, and folders of install trees and ISO images.
//
//	GET /ipxe/52-54-00-12-34-56        the machine's script
//	GET /loader/snponly.efi            a loader, also for UEFI HTTP boot
//	GET /autoexec.ipxe                 what newer iPXE looks for beside its loader, and then here
//	GET /files/isos/rescue.iso         a file of the mirror "isos"
//	GET /files/debian/dists/           what is in a folder of a mirror
//
// A file goes from the page cache to the socket by sendfile. For that the
// connection and the response may be wrapped only by what hands ReadFrom on.
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
	"os"
	"strings"
	"sync"
	"time"
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
	// iPXE writes a blank as %20, and a plus as it is.
	v, _ := url.ParseQuery(strings.ReplaceAll(r.URL.RawQuery, "+", "%2B")) // what is malformed is left out
	return v
}

// LoaderRequest is who asks for a loader, and through which of our addresses.
type LoaderRequest struct {
	Name   string // relative, with slashes; it never leaves its root
	Remote netip.AddrPort
	Local  netip.AddrPort
}

// ErrForbidden: the asker's address is not that machine's.
var ErrForbidden = errors.New("address is not that machine's")

// Asked is a request, but for those for scripts, and its answer.
type Asked struct {
	Method string
	Path   string
	Status int
	Remote netip.AddrPort
}

// Fetched is a loader that a client asked for.
type Fetched struct {
	Name   string
	Remote netip.AddrPort
	Bytes  int64 // if these are not all: what the client has acknowledged; less than a packet is nothing
	Took   time.Duration
	Err    error // why these are not all
	Packet int   // length of a full IP packet to the client; 0: not known
	Resent int   // packets
}

// Options for New. All but Mirrors, Fetched and Asked are needed.
type Options struct {
	Script Script
	// Loader opens a file for /loader/. Errors that wrap fs.ErrNotExist or
	// fs.ErrPermission are told to the client as such.
	Loader  func(context.Context, LoaderRequest) (File, error)
	Mirrors map[string]*os.Root // by their name under /files/
	Fetched func(Fetched)
	Asked   func(Asked)
	// Simulated reports whether there is a simulation of that name: what it asks for is
	// no step of a boot of the computer that plays it. nil: there are none.
	Simulated func(simulation string) bool
	Log       *slog.Logger
}

// Server answers HTTP.
type Server struct {
	o Options
	h http.Handler
	// What is told of sparingly.
	ranges, scripts, links sparingly

	mu        sync.Mutex
	responses map[*response]struct{}
}

// New returns a Server.
func New(o Options) *Server {
	s := &Server{o: o, responses: map[*response]struct{}{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /ipxe/{mac}", s.script)
	mux.HandleFunc("GET /loader/{name...}", s.loader)
	mux.HandleFunc("GET /autoexec.ipxe", func(w http.ResponseWriter, r *http.Request) {
		r.SetPathValue("name", "autoexec.ipxe")
		s.loader(w, r)
	})
	mux.HandleFunc("GET /files/{mirror}/{path...}", s.mirror)
	mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) { s.refuse(w, r, fs.ErrNotExist) })
	s.h = noBodies(oneSlash(mux))
	return s
}

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
		IdleTimeout:       20 * time.Second,
		MaxHeaderBytes:    16 << 10,
		ConnContext:       func(ctx context.Context, c net.Conn) context.Context { return context.WithValue(ctx, connKey{}, c) },
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
	err := srv.Serve(newLimiter(l, s.o.Log))
	if !stop() {
		<-stopped
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serve http on %s: %w", l.Addr(), err)
}

// noBodies refuses requests with a body, which nobody here wants, and does not
// wait for it.
func noBodies(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength == 0 {
			h.ServeHTTP(w, r)
			return
		}
		_ = http.NewResponseController(w).SetReadDeadline(time.Now()) // best effort: it closes the connection the sooner
		w.Header().Set("Connection", "close")
		http.Error(w, "requests with a body are not served here", http.StatusRequestEntityTooLarge)
	})
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
		s.told(r, http.StatusOK)
		return // a script is made only for who will run it
	}
	text, err := s.o.Script(r.Context(), req)
	switch {
	case errors.Is(err, ErrForbidden):
		s.o.Log.Log(r.Context(), s.scripts.level(req.Remote.Addr(), time.Now()), "script refused", "mac", mac.String(), "remote", r.RemoteAddr, "err", err)
		http.Error(w, "this script is another machine's", http.StatusForbidden)
	case err != nil:
		s.o.Log.Error("script could not be made", "mac", mac.String(), "err", err)
		http.Error(w, "script could not be made; the server's log says why", http.StatusInternalServerError)
	default:
		w.Header().Set("Content-Type", "text/plain")
		w.Header().Set("Cache-Control", "no-store")
		fmt.Fprint(w, text)
	}
}

func (s *Server) loader(w http.ResponseWriter, r *http.Request) {
	req := LoaderRequest{Name: r.PathValue("name"), Remote: s.asker(r), Local: local(r)}
	if !fs.ValidPath(req.Name) {
		s.refuse(w, r, fs.ErrNotExist)
		return
	}
	f, err := s.o.Loader(r.Context(), req)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	defer f.Close()
	start, end := time.Now(), watch(r)
	code, n, err := s.send(w, r, f)
	if r.Method == http.MethodGet && code < 300 && s.o.Fetched != nil {
		done := Fetched{Name: req.Name, Remote: req.Remote, Bytes: n, Took: time.Since(start), Err: err}
		end(&done)
		s.o.Fetched(done)
	}
}

// simulated is how simulated machines call themselves, before the name of their
// simulation.
const simulated = "bootes-simulate/"

// asker is whose step a request is: nobody's, if there is the simulation that it
// names. All others that call themselves so are who they are.
func (s *Server) asker(r *http.Request) netip.AddrPort {
	simulation, ok := strings.CutPrefix(r.UserAgent(), simulated)
	if ok && s.o.Simulated != nil && s.o.Simulated(simulation) {
		return netip.AddrPort{}
	}
	return remote(r)
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
