package config

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"

	"bootes.dev/internal/bytesize"
)

// Space is an amount of a file system: so many bytes, or so many percent, or
// with both the smaller of the two.
type Space struct {
	Bytes   int64 // 0: Percent alone counts
	Percent int   // 0: Bytes alone counts
}

// DefaultMinFree keeps 1 GiB free, on small disks 5 %.
var DefaultMinFree = Space{Bytes: 1 << 30, Percent: 5}

// Of returns the amount in bytes on a file system of total bytes.
func (s Space) Of(total int64) int64 {
	if s.Percent == 0 {
		return s.Bytes
	}
	p := total / 100 * int64(s.Percent)
	if s.Bytes == 0 {
		return p
	}
	return min(p, s.Bytes)
}

var errSpace = errors.New("write a size such as 2G, or a part of the disk such as 5%")

func parseSpace(s string) (Space, error) {
	if digits, ok := strings.CutSuffix(s, "%"); ok {
		n, err := strconv.Atoi(strings.TrimSpace(digits))
		if err != nil || n < 1 || n > 90 {
			return Space{}, errors.New("write a percentage from 1% to 90%")
		}
		return Space{Percent: n}, nil
	}
	n, err := bytesize.Parse(s)
	if err != nil {
		return Space{}, errSpace
	}
	if n == 0 {
		return Space{}, errors.New("a full disk stops the whole server: leave some space")
	}
	return Space{Bytes: n}, nil
}

var errDuration = errors.New("write a number with s, m, h or d, such as 30m, 12h or 1d")

// parseDuration reads what time.ParseDuration reads and days besides, which
// every other DHCP server's config knows.
func parseDuration(s string) (time.Duration, error) {
	var days time.Duration
	if d, rest, ok := strings.Cut(s, "d"); ok {
		n, err := strconv.ParseUint(d, 10, 16)
		if err != nil {
			return 0, errDuration
		}
		days, s = time.Duration(n)*24*time.Hour, rest
		if s == "" {
			return days, nil
		}
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 || d > math.MaxInt64-days {
		return 0, errDuration
	}
	return days + d, nil
}
