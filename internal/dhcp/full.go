package dhcp

import (
	"sync"
	"time"
)

// fullAgain is how long a full pool is not told of again.
const fullAgain = time.Hour

// full remembers of which networks it was told that they have no address left.
type full struct {
	mu   sync.Mutex
	told map[fullPool]time.Time
}

// fullPool: machines that were added find a pool full later than others.
type fullPool struct {
	network  string
	stranger bool
}

// warn logs that a client was offered nothing.
func (f *full) warn(x *exchange, now time.Time) {
	key := fullPool{x.seg.String(), x.d.Machine == ""}
	f.mu.Lock()
	defer f.mu.Unlock()
	if last, ok := f.told[key]; ok && now.Sub(last) < fullAgain {
		return
	}
	if f.told == nil {
		f.told = map[fullPool]time.Time{}
	}
	f.told[key] = now
	text := "no address is left for machines that nobody has added; those that were added have theirs, or one kept for them"
	if !key.stranger {
		text = "no address is left"
	}
	x.l.log.Warn(text+": see who has them (bootes lease ls), then write a larger range: or a shorter lease: in the config",
		"interface", x.l.config.Name, "addresses", key.network, "mac", x.q.MAC.String(), "machine", x.d.Machine)
}
