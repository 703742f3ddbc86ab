package config

import (
	"fmt"
	"log/slog"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"bootes.dev/internal/bytesize"
)

// Each function here returns the reader of one sort of value into dst.

func (r *reader) path(dst *string, limit int) func(value) {
	const right = "write a path that begins with /"
	return func(v value) {
		s, ok := r.text(v, right)
		switch {
		case !ok:
		case !filepath.IsAbs(s) || strings.ContainsRune(s, 0):
			r.fault(v, fmt.Sprintf("%q is no absolute path", s), right)
		case limit > 0 && len(s) > limit:
			r.fault(v, fmt.Sprintf("the path is %d bytes long", len(s)), "a unix socket's path has at most %d", limit)
		default:
			*dst = filepath.Clean(s)
		}
	}
}

func (r *reader) port(dst *int) func(value) {
	const right = "write a port number from 1 to 65535"
	return func(v value) {
		s, ok := r.text(v, right)
		if !ok {
			return
		}
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || n > 65535 {
			r.fault(v, fmt.Sprintf("%q is no port", s), right)
			return
		}
		*dst = n
	}
}

func (r *reader) flag(dst *bool) func(value) {
	const right = "write true or false"
	return func(v value) {
		switch s, ok := r.text(v, right); {
		case !ok:
		case s == "true" || s == "false":
			*dst = s == "true"
		default:
			r.fault(v, fmt.Sprintf("%q is neither true nor false", s), right)
		}
	}
}

func (r *reader) size(dst *int64) func(value) {
	return func(v value) {
		s, ok := r.text(v, bytesize.ErrSyntax.Error())
		if !ok {
			return
		}
		n, err := bytesize.Parse(s)
		if err != nil {
			r.fault(v, fmt.Sprintf("%q is no size", s), "%s", err)
			return
		}
		*dst = n
	}
}

func (r *reader) space(dst *Space) func(value) {
	return func(v value) {
		s, ok := r.text(v, errSpace.Error())
		if !ok {
			return
		}
		n, err := parseSpace(s)
		if err != nil {
			r.fault(v, fmt.Sprintf("%q is no size", s), "%s", err)
			return
		}
		*dst = n
	}
}

func (r *reader) percent(dst *int) func(value) {
	const right = "write a percentage from 1% to 100%"
	return func(v value) {
		s, ok := r.text(v, right)
		if !ok {
			return
		}
		digits, signed := strings.CutSuffix(s, "%")
		n, err := strconv.Atoi(digits)
		if err != nil || !signed || n < 1 || n > 100 {
			r.fault(v, fmt.Sprintf("%q is no percentage", s), "%s", right)
			return
		}
		*dst = n
	}
}

// minLease keeps a typo such as "1s" from flooding the network with renewals.
const minLease, maxLease = time.Minute, 365 * 24 * time.Hour

func (r *reader) lease(dst *time.Duration) func(value) {
	return func(v value) {
		s, ok := r.text(v, errDuration.Error())
		if !ok {
			return
		}
		d, err := parseDuration(s)
		if err == nil && (d < minLease || d > maxLease) {
			r.fault(v, fmt.Sprintf("%q is out of bounds", s), "write a lease time from 1m to 365d")
			return
		}
		if err != nil {
			r.fault(v, fmt.Sprintf("%q is no length of time", s), "%s", err)
			return
		}
		*dst = d
	}
}

// minSlow keeps a disk that is as it should be from filling the log.
const minSlow, maxSlow = time.Millisecond, time.Hour

func (r *reader) slow(dst *time.Duration) func(value) {
	const right = "write a time from 1ms to 1h"
	return func(v value) {
		s, ok := r.text(v, right)
		if !ok {
			return
		}
		d, err := time.ParseDuration(s)
		if err != nil || d < minSlow || d > maxSlow {
			r.fault(v, fmt.Sprintf("%q is out of bounds", s), right)
			return
		}
		*dst = d
	}
}

func (r *reader) addr(dst *netip.Addr) func(value) {
	const right = "write the IPv4 address of a host, such as 192.168.1.10"
	return func(v value) {
		s, ok := r.text(v, right)
		if !ok {
			return
		}
		a, err := netip.ParseAddr(s)
		if err != nil || !a.Is4() || a.IsUnspecified() || a.IsMulticast() || a == broadcast {
			r.fault(v, fmt.Sprintf("%q is no such address", s), right)
			return
		}
		*dst = a
	}
}

// listen reads where to listen by TCP.
func (r *reader) listen(dst *netip.AddrPort) func(value) {
	const right = "write an address of this server and a port, such as 127.0.0.1:9660 (0.0.0.0: all of its addresses)"
	return func(v value) {
		s, ok := r.text(v, right)
		if !ok {
			return
		}
		a, err := netip.ParseAddrPort(s)
		if err != nil || a.Port() == 0 || a.Addr().IsMulticast() || a.Addr() == broadcast {
			r.fault(v, fmt.Sprintf("%q is no address to listen at", s), right)
			return
		}
		*dst = a
	}
}

var broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

func (r *reader) level(dst *slog.Level) func(value) {
	const right = "write debug, info, warn or error"
	levels := map[string]slog.Level{
		"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError,
	}
	return func(v value) {
		s, ok := r.text(v, right)
		if !ok {
			return
		}
		l, known := levels[s]
		if !known {
			r.fault(v, fmt.Sprintf("%q is no log level", s), right)
			return
		}
		*dst = l
	}
}
