package tftp

import (
	"strconv"
	"time"
)

// Bounds and defaults of the options.
const (
	defaultBlock = 512   // RFC 1350
	minBlock     = 8     // RFC 2348
	maxBlock     = 65464 // RFC 2348
	maxWindow    = 65535 // RFC 7440
	// longestWait is less than the 255 s of RFC 2349, so that a client that
	// falls silent does not keep its place for half an hour.
	longestWait = 8
)

// terms are what client and server agreed on.
type terms struct {
	block   int           // bytes
	window  int           // blocks
	timeout time.Duration // 0: ours
	oack    []option      // what to acknowledge, nil: no OACK at all
}

// negotiate answers a request's options. An option that is unknown or out of
// range is left out of the OACK, as if it had not been asked for (RFC 2347).
// The first of two equal names counts.
func negotiate(asked []option, size int64, blockLimit, windowLimit int) terms {
	t := terms{block: defaultBlock, window: 1}
	seen := make(map[string]bool, len(asked))
	for _, o := range asked {
		if seen[o.name] {
			continue
		}
		seen[o.name] = true
		if v, ok := t.accept(o, size, blockLimit, windowLimit); ok {
			t.oack = append(t.oack, option{o.name, strconv.FormatInt(v, 10)})
		}
	}
	return t
}

// simulatedOption names the simulation that a request belongs to. It is never
// acknowledged.
const simulatedOption = "bootes-simulate"

func (r *request) simulation() string {
	for _, o := range r.options {
		if o.name == simulatedOption {
			return o.value
		}
	}
	return ""
}

func (t *terms) accept(o option, size int64, blockLimit, windowLimit int) (value int64, ok bool) {
	n, err := strconv.ParseInt(o.value, 10, 64)
	if err != nil {
		return 0, false
	}
	switch o.name {
	case "blksize":
		if n < minBlock || n > maxBlock {
			return 0, false
		}
		t.block = min(int(n), blockLimit)
		return int64(t.block), true
	case "windowsize":
		if n < 1 || n > maxWindow {
			return 0, false
		}
		t.window = min(int(n), windowLimit)
		return int64(t.window), true
	case "timeout":
		if n < 1 || n > longestWait {
			return 0, false
		}
		t.timeout = time.Duration(n) * time.Second
		return n, true
	case "tsize":
		return size, n >= 0
	}
	return 0, false
}
