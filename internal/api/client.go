package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Client talks to the server behind a unix socket. Errors are *Error as the
// server sent it, *Unreachable, or of the context.
type Client struct {
	socket string
	http   *http.Client
}

// NewClient returns a client; nothing is connected yet.
func NewClient(socket string) *Client {
	c := &Client{socket: socket}
	c.http = &http.Client{Transport: &http.Transport{DialContext: c.dial, DisableCompression: true}}
	return c
}

// Close closes idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

func (c *Client) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	d := net.Dialer{Timeout: 5 * time.Second}
	conn, err := d.DialContext(ctx, "unix", c.socket)
	if err != nil && ctx.Err() == nil {
		return nil, &Unreachable{Socket: c.socket, Err: err}
	}
	return conn, err
}

// call sends in, if not nil, as JSON and reads the answer into out, if not nil.
func (c *Client) call(ctx context.Context, method, path string, in, out any) error {
	resp, err := c.send(ctx, c.http, method, path, in)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if out == nil {
		return nil
	}
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		return c.broken(ctx, err)
	}
	return nil
}

// send returns the response to a request that succeeded; its body is open.
func (c *Client) send(ctx context.Context, h *http.Client, method, path string, in any) (*http.Response, error) {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return nil, fmt.Errorf("encode request: %w", err)
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://bootes"+path, body)
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := h.Do(req)
	if err != nil {
		return nil, c.broken(ctx, err)
	}
	if resp.StatusCode < 400 {
		return resp, nil
	}
	defer resp.Body.Close()
	return nil, readProblem(resp)
}

// broken sorts errors of the transport.
func (c *Client) broken(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var u *Unreachable
	if errors.As(err, &u) {
		return u
	}
	var ue *url.Error
	if errors.As(err, &ue) {
		err = ue.Err
	}
	return &Unreachable{Socket: c.socket, Err: err}
}

// readProblem reads an error response, huma's own (a request that its schema
// refuses) included: those carry their reasons in a list.
func readProblem(resp *http.Response) *Error {
	var p struct {
		Error
		Errors []struct{ Message, Location string }
	}
	b, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	media, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if media != "application/problem+json" || json.Unmarshal(b, &p) != nil {
		return &Error{Status: resp.StatusCode, Title: resp.Status,
			Detail: fmt.Sprintf("the server answered %s: %.200s", resp.Status, bytes.TrimSpace(b))}
	}
	e := p.Error
	e.Status = resp.StatusCode
	reasons := make([]string, len(p.Errors))
	for i, r := range p.Errors {
		reasons[i] = strings.TrimPrefix(r.Location+": ", ": ") + r.Message
	}
	slices.Sort(reasons)
	if len(reasons) > 0 {
		e.Detail += ": " + strings.Join(reasons, "; ")
	}
	return &e
}
