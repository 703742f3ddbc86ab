package recorder

import (
	"container/list"
	"time"

	"bootes.dev/internal/crowd"
)

// subject is a machine, or a MAC that nobody has added, with its last boots.
type subject struct {
	name     string
	boots    []*kept // oldest first
	stranger bool
}

// kept is a boot as it is held in memory.
type kept struct {
	Boot
	settled time.Time     // while files are read: up to which events are counted in
	place   *list.Element // in Recorder.eldest, if it has events
}

// subject returns the subject of e, making room for one that is new.
func (r *Recorder) subject(e Event) *subject {
	s := r.subjects[e.Subject()]
	if s == nil {
		s = &subject{name: e.Subject(), stranger: e.Machine == ""}
		if goes := crowd.Leaves(r.subjects, r.strangers, s.stranger, isStranger, (*subject).last); goes != nil {
			r.forget(goes)
		}
		r.subjects[s.name] = s
		if s.stranger {
			r.strangers++
		}
	}
	return s
}

func isStranger(s *subject) bool { return s.stranger }

func (s *subject) newest() *kept {
	if len(s.boots) == 0 {
		return nil
	}
	return s.boots[len(s.boots)-1]
}

// last is when the subject was last heard of.
func (s *subject) last() time.Time {
	if k := s.newest(); k != nil {
		return k.Last
	}
	return time.Time{}
}

// find returns the boot that e belongs to, or nil if it begins one. An event
// without a boot id joins the newest boot.
func (s *subject) find(e Event) *kept {
	for i := len(s.boots) - 1; i >= 0; i-- {
		if e.Boot == "" || s.boots[i].ID == e.Boot {
			return s.boots[i]
		}
	}
	return nil
}

// begin starts the boot that e belongs to, in place of the oldest if there are
// enough.
func (r *Recorder) begin(s *subject, e Event) *kept {
	most := maxBoots
	if s.stranger {
		most = maxTries
	}
	if len(s.boots) == most {
		r.strip(s.boots[0])
		s.boots = append(s.boots[:0], s.boots[1:]...)
	}
	k := &kept{Boot: Boot{ID: e.Boot, Machine: e.Machine, MAC: e.MAC, Started: e.Time}}
	if last := s.newest(); last != nil {
		k.LastRan = last.lastRan(e.Time)
	}
	s.boots = append(s.boots, k)
	return k
}

// replaced ends a boot that another one follows, and reports whether that is
// news.
func (k *kept) replaced(at time.Time) bool {
	if k == nil || k.ID == "" || k.Outcome != "" {
		return false
	}
	k.end(OutcomeReplaced, at)
	return true
}

func (r *Recorder) forget(s *subject) {
	for _, k := range s.boots {
		r.strip(k)
	}
	delete(r.subjects, s.name)
	if s.stranger {
		r.strangers--
	}
}
