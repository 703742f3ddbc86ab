package config

import (
	"math"
	"testing"
	"time"
)

func TestSpace(t *testing.T) {
	const giB = 1 << 30
	for _, tt := range []struct {
		space       Space
		total, want int64
	}{
		{DefaultMinFree, 1000 * giB, giB},                               // a large disk: the bytes
		{DefaultMinFree, 10 * giB, 536870910},                           // a small one: 5 %, a little less for the rounding
		{Space{Percent: 10}, 100000, 10000},                             // percent alone
		{Space{Bytes: 7}, 100000, 7},                                    // bytes alone
		{Space{Percent: 90}, math.MaxInt64, 90 * (math.MaxInt64 / 100)}, // no overflow
	} {
		if got := tt.space.Of(tt.total); got != tt.want {
			t.Errorf("%+v of %d: %d, want %d", tt.space, tt.total, got, tt.want)
		}
	}
}

func TestParseDuration(t *testing.T) {
	for s, want := range map[string]time.Duration{
		"90s": 90 * time.Second, "1h": time.Hour, "1h30m": 90 * time.Minute, "1d": 24 * time.Hour, "7d12h": 180 * time.Hour, "0s": 0,
	} {
		if d, err := parseDuration(s); err != nil || d != want {
			t.Errorf("%q: %v, %v; want %v", s, d, err, want)
		}
	}
	for _, s := range []string{"", "60", "d", "-1h", "1w", "1d-1h", "1d1d", "99999d", "forever", "65535d2562047h"} {
		if d, err := parseDuration(s); err == nil {
			t.Errorf("%q was read as %v", s, d)
		}
	}
}

func TestEdits(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"", "ab", 2}, {"ports", "ports", 0}, {"prots", "ports", 2}, {"port", "ports", 1}, {"kitten", "sitting", 3},
	} {
		if d := edits(tt.a, tt.b); d != tt.want {
			t.Errorf("%q to %q: %d, want %d", tt.a, tt.b, d, tt.want)
		}
		if d := edits(tt.b, tt.a); d != tt.want {
			t.Errorf("%q to %q: %d, want %d", tt.b, tt.a, d, tt.want)
		}
	}
}
