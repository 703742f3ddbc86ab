package boot

import (
	"fmt"
	"sync"
	"time"

	"bootes.dev/internal/diagnose"
	"bootes.dev/internal/inventory"
	"bootes.dev/internal/recorder"
)

// Two computers with one MAC address are told from one that starts again by what
// comes back: a computer begins each exchange of DHCP with a new xid, and has one
// UUID. Where one xid or UUID follows another and then comes again, both are there.

const (
	xidTime  = time.Minute     // longer than ROMs and iPXE ask by one xid
	uuidTime = 5 * time.Minute // shorter than docks, which have their MAC, go there and back
	// twinTime is for how long it is said of a MAC address that two have it.
	twinTime  = 30 * time.Minute
	maxVoices = 4096 // MAC addresses: when there are more, all are learnt anew
)

// voice is what one program of a computer says of itself.
type voice struct {
	mac  string
	ipxe bool
}

// turn is the last two that were heard with one voice, and when.
type turn[T comparable] struct {
	now, before     T
	nowAt, beforeAt time.Time
}

// hear reports whether what was there before has come back within a time.
func (t *turn[T]) hear(x T, at time.Time, within time.Duration) (back bool) {
	if x != t.now {
		back = x == t.before && at.Sub(t.beforeAt) < within
		t.before, t.beforeAt, t.now = t.now, t.nowAt, x
	}
	t.nowAt = at
	return back
}

// twins remembers which MAC addresses two computers have.
type twins struct {
	mu     sync.Mutex
	voices map[voice]*voiced
	told   map[string]twin
}

type voiced struct {
	xid  turn[uint32]
	uuid turn[string]
}

// twin is how it was seen that two have a MAC address.
type twin struct {
	how string
	at  time.Time
}

// hear takes note of a message of firmware, or of iPXE. It returns how it was seen
// that two computers have its MAC address; "": it was not.
func (t *twins) hear(c Client, now time.Time) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	mac := c.MAC.String()
	v := t.voice(voice{mac, c.IPXE})
	uuid, how := firmwareUUID(c.UUID), ""
	if uuid != "" && v.uuid.hear(uuid, now, uuidTime) {
		how = fmt.Sprintf("computers with the UUIDs %s and %s ask by turns", v.uuid.before, uuid)
	}
	if v.xid.hear(c.Xid, now, xidTime) && how == "" {
		how = "it has two exchanges of DHCP under way at once, where a computer has one"
	}
	if how != "" {
		t.told[mac] = twin{how, now}
	}
	if told := t.told[mac]; told.how != "" && now.Sub(told.at) < twinTime {
		return told.how
	}
	return ""
}

func (t *twins) voice(of voice) *voiced {
	if v := t.voices[of]; v != nil {
		return v
	}
	if t.voices == nil || len(t.voices) >= maxVoices {
		t.voices, t.told = map[voice]*voiced{}, map[string]twin{}
	}
	v := &voiced{}
	t.voices[of] = v
	return v
}

// haunting is how long a newer boot must have had its disk until a login of an older
// one is another computer's: one that begins anew has forgotten that secret.
const haunting = 10 * time.Second

// haunts notes a login of a boot that is over.
func (s *Service) haunts(old string) {
	a := s.attempts.current(inventory.MachineOf(old))
	if a == nil {
		return
	}
	how := ""
	s.attempts.with(a, func() {
		if since := s.now().Sub(a.diskAt); !a.diskAt.IsZero() && since >= haunting && a.seen.Twin == "" {
			how = fmt.Sprintf("one still tries to log in by its boot %s, when another has had the disk by boot %s for %v", old, a.id, since.Round(time.Second))
		}
	})
	s.twin(a, how)
}

// twin tells that two computers have the MAC address of a, which may be nil.
func (s *Service) twin(a *attempt, how string) {
	if a == nil || how == "" {
		return
	}
	s.attempts.with(a, func() { a.seen.Twin = how })
	d := diagnose.Twins(s.eventOf(a).MAC, how)
	s.sayOnce(a, recorder.Event{Level: recorder.Warn, Text: "two computers have its MAC address: " + how, Diagnosis: &d})
}
