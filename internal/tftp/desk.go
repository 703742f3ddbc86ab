package tftp

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// openers is how many files are opened, and ends of transfers told, at the same
// time: the owner of the files may have to ask others first.
const openers = 64

// desk takes requests, has their files opened and gives the transfers to ports.
type desk struct {
	server *Server
	ports  []*port
	limit  int
	jobs   chan func(context.Context)
	open   sync.WaitGroup // transfers that are not yet reported
	files  shelf

	mu       sync.Mutex
	active   map[netip.AddrPort]*transfer // by client
	places   int                          // that are taken
	silent   []*transfer                  // which have not been heard of when they came; oldest first
	nextPort int
	warned   time.Time
}

func newDesk(s *Server) *desk {
	limit := or(s.MaxTransfers, defaultTransfers)
	return &desk{
		server: s, limit: limit, jobs: make(chan func(context.Context), 2*limit),
		active: make(map[netip.AddrPort]*transfer), files: shelf{open: make(map[fileID]*sharedFile)},
	}
}

func or(n, fallback int) int {
	if n > 0 {
		return n
	}
	return fallback
}

// work does jobs until there will be no more.
func (d *desk) work(ctx context.Context) {
	for job := range d.jobs {
		job(ctx)
	}
}

var broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// request takes an RRQ or WRQ. One that repeats another, for ROMs repeat what is
// answered late, and one that there is no place for are dropped.
func (d *desk) request(b []byte, client netip.AddrPort, local netip.Addr) {
	var r request
	if len(b) > maxRequest || local.IsMulticast() || local == broadcast || r.UnmarshalBinary(b) != nil {
		return // RFC 1123, 4.2.3.5: never answer a broadcast
	}
	t := &transfer{request: r, began: time.Now(), index: -1}
	t.Request = Request{Name: cleanName(r.filename), Client: client, Local: local, Simulation: r.simulation()}
	if d.admit(t) {
		d.jobs <- func(ctx context.Context) { d.begin(ctx, t) }
	}
}

// admit finds a place and a port for a transfer.
func (d *desk) admit(t *transfer) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if old := d.active[t.Client]; old != nil {
		if !old.stalled() {
			return false
		}
		old.port.tell(notice{old, ErrRestarted})
	}
	if d.places == d.limit && !d.evict() {
		return false
	}
	d.places++
	d.active[t.Client] = t
	if len(d.silent) >= 2*d.limit {
		d.silent = slices.DeleteFunc(d.silent, func(t *transfer) bool { return !d.mayGo(t) })
	}
	d.silent = append(d.silent, t)
	t.port = d.ports[d.nextPort]
	d.nextPort = (d.nextPort + 1) % len(d.ports)
	d.open.Add(1)
	return true
}

// evict gives up the oldest transfer whose client has never answered: senders
// of requests with made-up addresses never do, and machines do within the
// time that it takes them to fill all places.
func (d *desk) evict() bool {
	if now := time.Now(); d.server.Log != nil && now.Sub(d.warned) > time.Minute {
		d.warned = now
		d.server.Log.Warn("more TFTP requests than transfers are possible: those whose clients never answer make room", "limit", d.limit)
	}
	for len(d.silent) > 0 {
		t := d.silent[0]
		d.silent = d.silent[1:]
		if !d.mayGo(t) {
			continue
		}
		t.evicted = true
		delete(d.active, t.Client)
		d.places--
		t.port.tell(notice{t, errEvicted})
		return true
	}
	return false
}

// mayGo reports whether nothing was ever heard of a transfer's client.
func (d *desk) mayGo(t *transfer) bool { return d.active[t.Client] == t && t.heard.Load() == 0 }

var errEvicted = errors.New("client never answered, and others ask")

// begin opens the file of a transfer.
func (d *desk) begin(ctx context.Context, t *transfer) {
	if d.gone(t) {
		t.Err = errEvicted
		d.report(t)
		return
	}
	f, code, err := d.openFile(ctx, t)
	if err != nil {
		t.Err, t.refusal = err, appendError(nil, code, errorText(code, err))
	} else {
		t.file = d.files.share(f)
		t.terms = negotiate(t.request.options, f.Size(), or(d.server.MaxBlock, defaultBlockCap), or(d.server.MaxWindow, defaultWindowCap))
	}
	if !t.port.tell(notice{t: t}) {
		if t.file != nil {
			t.file.Close()
		}
		t.Err = ErrStopped
		d.report(t)
	}
}

func (d *desk) gone(t *transfer) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return t.evicted
}

// openFile checks the request and asks the owner of the files.
func (d *desk) openFile(ctx context.Context, t *transfer) (f File, code uint16, err error) {
	r := t.request
	switch {
	case r.op == opWRQ:
		return nil, codeAccess, ErrWrite
	case r.mode != "octet":
		return nil, codeIllegal, fmt.Errorf("%w: %q", ErrMode, r.mode)
	case t.Name == "":
		return nil, codeNotFound, fmt.Errorf("open %q: %w", r.filename, fs.ErrNotExist)
	}
	f, err = d.server.Open(ctx, t.Request)
	switch {
	case err == nil:
		return f, 0, nil
	case errors.Is(err, fs.ErrNotExist):
		code = codeNotFound
	case errors.Is(err, fs.ErrPermission):
		code = codeAccess
	}
	return nil, code, err
}

// errorText is what a client's screen shows. Faults of ours are not spelt out
// to strangers.
func errorText(code uint16, err error) string {
	switch {
	case errors.Is(err, ErrWrite), errors.Is(err, ErrMode):
		return err.Error()
	case code == codeNotFound:
		return "file not found"
	case code == codeAccess:
		return "access denied"
	}
	return "server error"
}

// ended has a transfer reported, by somebody who may wait. Its client may ask
// for the next file at once, from the same port.
func (d *desk) ended(t *transfer) {
	d.forget(t)
	if errors.Is(t.Err, errEvicted) {
		d.report(t) // to nobody
		return
	}
	d.jobs <- func(context.Context) { d.report(t) }
}

// report tells how a transfer ended and frees its place.
func (d *desk) report(t *transfer) {
	defer d.open.Done()
	if d.server.Done != nil && !errors.Is(t.Err, errEvicted) {
		d.server.Done(t.Transfer)
	}
	d.forget(t)
	d.mu.Lock()
	defer d.mu.Unlock()
	if !t.evicted {
		d.places--
	}
	if d.places == 0 {
		d.silent = nil
	}
}

func (d *desk) forget(t *transfer) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.active[t.Client] == t {
		delete(d.active, t.Client)
	}
}
