package simulate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const httpWait = 15 * time.Second

// agent marks requests of simulated machines.
const agent = "bootes-simulate"

// webClient asks once a request, as firmware does: without connections kept.
var webClient = &http.Client{
	Transport: &http.Transport{DisableKeepAlives: true, DisableCompression: true, DialContext: (&net.Dialer{Timeout: 5 * time.Second}).DialContext},
	Timeout:   httpWait,
}

// httpError is an answer that is not what was asked for.
type httpError struct {
	status int
	text   string // the first line of its body
}

func (e *httpError) Error() string {
	return strings.TrimSpace(fmt.Sprintf("the web server answers %d %s: %s", e.status, http.StatusText(e.status), e.text))
}

// httpFetch gets a file, limit bytes of it at most.
func httpFetch(ctx context.Context, simulation, url string, limit int64) (fetched, error) {
	start := time.Now()
	resp, err := request(ctx, http.MethodGet, simulation, url)
	if err != nil {
		return fetched{}, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, limit))
	if err != nil {
		return fetched{}, fmt.Errorf("the web server broke off after %d bytes: %w", len(b), reason(err))
	}
	return fetched{data: b, took: time.Since(start)}, nil
}

// httpLook asks for a file's size and kind, as UEFI does before it fetches it.
func httpLook(ctx context.Context, simulation, url string) (size int64, kind string, err error) {
	resp, err := request(ctx, http.MethodHead, simulation, url)
	if err != nil {
		return 0, "", err
	}
	resp.Body.Close()
	return resp.ContentLength, resp.Header.Get("Content-Type"), nil
}

func request(ctx context.Context, method, simulation, url string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", strings.TrimSuffix(agent+"/"+simulation, "/"))
	resp, err := webClient.Do(req)
	if err != nil {
		return nil, reason(err)
	}
	if resp.StatusCode != http.StatusOK {
		defer resp.Body.Close()
		b, _ := io.ReadAll(io.LimitReader(resp.Body, 200))
		line, _, _ := strings.Cut(strings.TrimSpace(string(b)), "\n")
		if strings.Contains(line, "<") {
			line = ""
		}
		return nil, &httpError{resp.StatusCode, line}
	}
	return resp, nil
}

// reason is an error without the URL, which stands beside it.
func reason(err error) error {
	var e *url.Error
	if errors.As(err, &e) {
		return e.Err
	}
	return err
}
