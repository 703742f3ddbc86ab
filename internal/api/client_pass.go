package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// pass posts the request of a long task and passes f along.
func pass[T any](ctx context.Context, c *Client, f *os.File, path string, in any, progress func(Progress)) (T, error) {
	// A connection of its own: the descriptor must meet its own request.
	t := &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := c.dial(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return &passing{UnixConn: conn.(*net.UnixConn), file: f}, nil
		},
	}
	defer t.CloseIdleConnections()
	return follow[T](ctx, c, &http.Client{Transport: t}, path, in, progress)
}

// follow posts the request of a long task and reads how it goes. progress, if
// not nil, is called now and then. When ctx ends the server cancels the task.
func follow[T any](ctx context.Context, c *Client, h *http.Client, path string, in any, progress func(Progress)) (none T, err error) {
	resp, err := c.send(ctx, h, http.MethodPost, path, in)
	if err != nil {
		return none, err
	}
	defer resp.Body.Close()
	d := json.NewDecoder(resp.Body)
	for {
		var line Line[T]
		if err := d.Decode(&line); err != nil {
			return none, c.broken(ctx, err)
		}
		switch {
		case line.Error != nil:
			return none, line.Error
		case line.Result != nil:
			return *line.Result, nil
		case line.Progress != nil && progress != nil:
			progress(*line.Progress)
		}
	}
}

// passing sends a file's descriptor with the first bytes written.
type passing struct {
	*net.UnixConn
	once sync.Once
	file *os.File
}

func (p *passing) Write(b []byte) (n int, err error) {
	p.once.Do(func() {
		n, err = p.first(b)
		b = b[n:]
	})
	if err != nil || len(b) == 0 {
		return n, err
	}
	m, err := p.UnixConn.Write(b)
	return n + m, err
}

func (p *passing) first(b []byte) (n int, err error) {
	raw, err := p.file.SyscallConn()
	if err != nil {
		return 0, fmt.Errorf("pass file: %w", err)
	}
	// Control, not Fd: that would make the file blocking for good.
	ctlErr := raw.Control(func(fd uintptr) {
		n, _, err = p.WriteMsgUnix(b, unix.UnixRights(int(fd)), nil)
	})
	if err == nil {
		err = ctlErr
	}
	return n, err
}
