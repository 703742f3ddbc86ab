package boot

import (
	"hash/maphash"
	"net/netip"
	"strings"
	"sync"
	"time"

	"bootes.dev/internal/crowd"
	"bootes.dev/internal/inventory"
	"bootes.dev/internal/loaders"
	"bootes.dev/internal/recorder"
)

// stale is the silence after which a machine that asks again is taken to have
// been switched on again, whatever stage it had reached.
const stale = 3 * time.Minute

// attempt is one boot of one machine as far as the network has shown it.
type attempt struct {
	id       string // of the stored boot; of a stranger's, any
	subject  string // machine's name, or the MAC of a stranger
	mac      string
	iface    string
	firmware loaders.Firmware
	opened   time.Time
	active   time.Time
	stage    recorder.Stage
	platform loaders.Firmware // that its iPXE runs on
	server   netip.Addr       // our address, as it was told
	addr     netip.Addr       // from which it asked for its script
	sendsTo  netip.Addr       // where the file goes that it is being sent

	loader   string         // the file that it was told last
	lacks    string         // what its iPXE lacks
	unmasked bool           // it is iPXE without iPXE's marks; see unmask
	reloads  map[string]int // files that iPXE has fetched instead of its script
	asks     int            // requests to our web server that are on record
	fetches  int            // transfers of files that are

	cards      []string           // those that it was seen by, mac among them
	hardware   inventory.Hardware // of what asks
	asked      bool               // iPXE has said what it knows of that
	byHardware bool               // and that made it this machine
	addressed  time.Time          // when it last asked for an address

	evidence
}

// attempts holds the newest attempt of every machine. Lock order: opening, mu.
type attempts struct {
	mu     sync.Mutex
	m      map[string]*attempt
	closed bool
	cards  map[string]*attempt // the newest attempt of each network card
	// fetching are those that files are sent to: when a transfer ends because the
	// machine is gone, its address is nobody's any more.
	fetching map[netip.Addr]*attempt

	strangers int // among m

	looking sync.WaitGroup // timers that have fired and are not done

	// opening is held while an attempt is opened, which waits for the store;
	// machines share its locks by their names.
	opening [64]sync.Mutex
}

// soonest is the time from one boot of a machine to its next: whoever sends
// DISCOVERs faster is no machine, and opens nothing more.
const soonest = time.Second

// step is what a machine does that may begin a boot.
type step int

const (
	romAsks  step = iota // firmware sends a DISCOVER
	ipxeAsks             // iPXE sends a DISCOVER
)

// begins reports whether a step taken at the given stage of an attempt can
// only belong to a new one. A ROM that asks again before iPXE came is trying
// its next device or protocol (PXEv6 after PXEv4, a second NIC); once iPXE has
// come, a ROM that asks has been reset. iPXE that asks for an address after it
// had its script has been started anew: many NICs have iPXE for their ROM.
func (s step) begins(at recorder.Stage) bool {
	if s == romAsks {
		return at.After(recorder.StageLoader)
	}
	return at.After(recorder.StageIPXE)
}

// take returns the attempt that the step belongs to, opening a new one with an
// id from newID where it belongs to none.
func (as *attempts) take(subject, mac string, s step, now time.Time, newID func() (string, error)) (*attempt, error) {
	opening := &as.opening[maphash.String(seed, subject)%uint64(len(as.opening))]
	opening.Lock()
	defer opening.Unlock()
	if a := as.join(subject, s, now); a != nil {
		return a, nil
	}
	id, err := newID()
	if err != nil {
		return nil, err
	}
	as.mu.Lock()
	defer as.mu.Unlock()
	a := &attempt{id: id, subject: subject, mac: mac, opened: now, active: now}
	if old := as.m[subject]; old != nil {
		a.cycles = old.after()
		as.drop(old)
	}
	if goes := crowd.Leaves(as.m, as.strangers, a.stranger(), (*attempt).stranger, func(a *attempt) time.Time { return a.active }); goes != nil {
		as.drop(goes)
	}
	as.m[subject] = a
	if a.stranger() {
		as.strangers++
	}
	return a, nil
}

var seed = maphash.MakeSeed()

// join returns the attempt that a step belongs to, or nil if it begins one.
func (as *attempts) join(subject string, s step, now time.Time) *attempt {
	as.mu.Lock()
	defer as.mu.Unlock()
	a := as.m[subject]
	if a == nil || (s.begins(a.stage) || now.Sub(a.active) > stale) && now.Sub(a.opened) >= soonest {
		return nil
	}
	a.active = now
	return a
}

// scripted returns the attempt of a machine that may have its script now: iPXE
// has asked for an address, the disk is not yet open, and it is not long ago.
// Anyone on a running machine can ask for its script; only its firmware gets it.
func (as *attempts) scripted(subject string, now time.Time) *attempt {
	as.mu.Lock()
	defer as.mu.Unlock()
	a := as.m[subject]
	if a == nil || now.Sub(a.active) > stale || a.stage != recorder.StageIPXE && a.stage != recorder.StageScript {
		return nil
	}
	a.active = now
	return a
}

// forget drops an attempt whose stored boot is gone.
func (as *attempts) forget(a *attempt) {
	as.mu.Lock()
	defer as.mu.Unlock()
	if as.m[a.subject] == a {
		as.drop(a)
	}
}

// drop takes a out. The caller holds mu.
func (as *attempts) drop(a *attempt) {
	a.stopTimer()
	delete(as.m, a.subject)
	if a.stranger() {
		as.strangers--
	}
	for _, card := range a.cards {
		if as.cards[card] == a {
			delete(as.cards, card)
		}
	}
	as.sendTo(a, netip.Addr{})
}

// sendTo notes where files are sent to a; an invalid address ends that. The
// caller holds mu.
func (as *attempts) sendTo(a *attempt, to netip.Addr) {
	if as.fetching[a.sendsTo] == a {
		delete(as.fetching, a.sendsTo)
	}
	if a.sendsTo = to; to.IsValid() {
		if as.fetching == nil {
			as.fetching = map[netip.Addr]*attempt{}
		}
		as.fetching[to] = a
	}
}

// sentTo is the newest attempt that a file was sent to at an address, or nil.
func (as *attempts) sentTo(to netip.Addr) *attempt {
	as.mu.Lock()
	defer as.mu.Unlock()
	return as.fetching[to]
}

// at is the boots by the addresses that files are sent to, or that scripts were
// asked for from.
func (as *attempts) at() map[netip.Addr]string {
	as.mu.Lock()
	defer as.mu.Unlock()
	newest := map[netip.Addr]*attempt{}
	for _, a := range as.m {
		for _, addr := range []netip.Addr{a.sendsTo, a.addr} {
			if old := newest[addr]; addr.IsValid() && (old == nil || old.active.Before(a.active)) {
				newest[addr] = a
			}
		}
	}
	ids := make(map[netip.Addr]string, len(newest))
	for addr, a := range newest {
		ids[addr] = a.id
	}
	return ids
}

// current returns the subject's newest attempt, or nil.
func (as *attempts) current(subject string) *attempt {
	as.mu.Lock()
	defer as.mu.Unlock()
	return as.m[subject]
}

// with runs f with a's fields locked.
func (as *attempts) with(a *attempt, f func()) {
	as.mu.Lock()
	defer as.mu.Unlock()
	f()
}

// reach notes that a has come to a stage.
func (as *attempts) reach(a *attempt, s recorder.Stage) {
	as.with(a, func() {
		if s.After(a.stage) {
			a.stage = s
		}
	})
}

// stranger reports whether nobody has added the machine. A name has no colons.
func (a *attempt) stranger() bool { return strings.Contains(a.subject, ":") }

func (a *attempt) stopTimer() {
	if a.watch.timer != nil {
		a.watch.timer.Stop()
	}
}

// beginLook reports whether a timer that has fired may go to work; it then tells
// looking when it is done.
func (as *attempts) beginLook() bool {
	as.mu.Lock()
	defer as.mu.Unlock()
	if as.closed {
		return false
	}
	as.looking.Add(1)
	return true
}

// closeAll stops every timer, and waits for those that have fired.
func (as *attempts) closeAll() {
	defer as.looking.Wait()
	as.mu.Lock()
	defer as.mu.Unlock()
	as.closed = true
	for _, a := range as.m {
		a.stopTimer()
	}
}
