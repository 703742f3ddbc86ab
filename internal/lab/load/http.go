package load

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"bootes.dev/internal/quantile"
)

// HTTP is clients that fetch a file over and over, all at once, each on one
// connection that it keeps. The file was made by WriteWords.
type HTTP struct {
	Server  string // host:port
	Path    string
	Size    int64 // of the file, in bytes
	Clients int
}

// HTTPReport is what came of it.
type HTTPReport struct{ Figures } // of whole fetches, but for Bytes: those of unfinished ones count

// getter is one client.
type getter struct {
	*HTTP
	conn  net.Conn
	in    *bufio.Reader
	buf   []byte
	marks *quantile.Histogram
	bytes *atomic.Int64
}

func (h *HTTP) run(ctx context.Context, j *Job) (r Report, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	var bytes atomic.Int64
	marks := make([]quantile.Histogram, h.Clients)
	for i := range h.Clients {
		wg.Go(func() {
			g := &getter{HTTP: h, marks: &marks[i], bytes: &bytes, buf: make([]byte, 128<<10)}
			if err := g.run(ctx); err != nil {
				cancel(err)
			}
		})
	}
	if err := pause(ctx, warmUp); err != nil {
		wg.Wait()
		return r, context.Cause(ctx)
	}
	before := bytes.Load()
	m, err := newMeter(ctx, j)
	if err == nil {
		err = pause(ctx, time.Duration(j.Seconds*float64(time.Second)))
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	err = errors.Join(err, m.read(&r))
	total := bytes.Load() - before
	cancel(nil)
	wg.Wait()
	var all quantile.Histogram
	for i := range marks {
		all.Merge(&marks[i])
	}
	r.HTTP.Figures = figures(&all)
	r.HTTP.Bytes = total
	return r, err
}

// run fetches until ctx ends.
func (g *getter) run(ctx context.Context) (err error) {
	if g.conn, err = (&net.Dialer{}).DialContext(ctx, "tcp", g.Server); err != nil {
		return err
	}
	defer g.conn.Close()
	defer context.AfterFunc(ctx, func() { g.conn.Close() })()
	g.in = bufio.NewReaderSize(g.conn, 4<<10)
	for {
		began := time.Now()
		err := g.fetch()
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		}
		g.marks.Add(time.Since(began))
	}
}

func (g *getter) fetch() error {
	if _, err := fmt.Fprintf(g.conn, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", g.Path, g.Server); err != nil {
		return err
	}
	resp, err := http.ReadResponse(g.in, nil)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK || resp.ContentLength != g.Size {
		return fmt.Errorf("GET %s: %s, %d bytes, want %d", g.Path, resp.Status, resp.ContentLength, g.Size)
	}
	for off := int64(0); off < g.Size; {
		n, err := io.ReadFull(resp.Body, g.buf[:min(int64(len(g.buf)), g.Size-off)])
		g.bytes.Add(int64(n))
		if err == nil {
			err = checkWords(g.buf[:n], off)
		}
		if err != nil {
			return fmt.Errorf("GET %s: at %d: %w", g.Path, off, err)
		}
		off += int64(n)
	}
	return nil
}
