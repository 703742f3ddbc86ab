package simulate

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// locate makes a URL of a boot file's name, as firmware does: what is none is a
// name on the TFTP server.
func locate(file string, next netip.Addr) (*url.URL, error) {
	if !strings.Contains(file, "://") {
		return &url.URL{Scheme: "tftp", Host: next.String(), Path: file}, nil
	}
	u, err := url.Parse(file)
	if err != nil {
		return nil, fmt.Errorf("%q is no URL", file)
	}
	return u, nil
}

// errScheme: a simulated machine has no way to fetch that.
var errScheme = errors.New("only tftp: and http: can be fetched here")

// fetch gets a file, up to limit bytes of what comes by HTTP.
func (p *player) fetch(ctx context.Context, f Firmware, u *url.URL, limit int64) (fetched, error) {
	switch u.Scheme {
	case "http":
		return httpFetch(ctx, p.Simulation, p.mark(u), limit)
	case "https":
		return fetched{}, fmt.Errorf("https needs what the machine trusts, which nobody here knows: %w", errScheme)
	case "tftp":
		at, err := host(ctx, u)
		if err != nil {
			return fetched{}, err
		}
		return tftpFetch(ctx, at, tftpName(u), p.Simulation, f.tftp)
	}
	return fetched{}, fmt.Errorf("%s: %w", u.Scheme, errScheme)
}

// tftpName is what a TFTP server is asked for: names on it do not begin with a
// slash, but for a second one.
func tftpName(u *url.URL) string { return strings.TrimPrefix(u.Path, "/") }

func host(ctx context.Context, u *url.URL) (netip.Addr, error) {
	name := u.Hostname()
	if a, err := netip.ParseAddr(name); err == nil {
		return a, nil
	}
	all, err := net.DefaultResolver.LookupNetIP(ctx, "ip4", name)
	if err != nil || len(all) == 0 {
		return netip.Addr{}, fmt.Errorf("the name %q has no address here", name)
	}
	return all[0].Unmap(), nil
}

// ownScript is the path of a machine's script on a Boötes.
var ownScript = regexp.MustCompile(`^/ipxe/(?:[0-9a-f]{2}-){5}[0-9a-f]{2}$`)

// mark adds the ticket to the URL of a script on the server that has made it; on
// any other it says only that this is a simulation.
func (p *player) mark(u *url.URL) string {
	if !ownScript.MatchString(strings.ToLower(u.Path)) {
		return u.String()
	}
	ticket := ""
	if at, err := netip.ParseAddr(u.Hostname()); err == nil && slices.Contains(p.Servers, at) {
		ticket = p.Ticket
	}
	marked := *u
	q := marked.Query()
	q.Set("simulate", ticket)
	marked.RawQuery = q.Encode()
	return marked.String()
}

// size is a number of bytes, and in what time they came.
func size(n int, took time.Duration) string {
	return fmt.Sprintf("%d bytes in %s", n, took.Round(100*time.Microsecond))
}
