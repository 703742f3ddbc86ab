package recorder

import "time"

// Repeat counts an event that the boot's timeline has already, by its text, and
// reports whether it has. Watchers and the disk are told of the first, the second, the fourth, the
// eighth: a client that never gives up fills nothing.
func (r *Recorder) Repeat(e Event) bool {
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.subjects[e.Subject()]
	if s == nil {
		return false
	}
	e.Until, e.Again = e.Time, 0
	found := s.repeat(e)
	if found == nil {
		return false
	}
	if n := found.Again; n&(n-1) == 0 {
		r.tell(*found)
	}
	return true
}

// repeat counts e in its boot, and returns the event that it repeats, or nil.
// An e that brings a count of its own was read from disk.
func (s *subject) repeat(e Event) *Event {
	k := s.find(e)
	if k == nil {
		return nil
	}
	for i := len(k.Events) - 1; i >= 0; i-- {
		at := &k.Events[i]
		if at.Text != e.Text || at.Outcome != "" {
			continue
		}
		at.Again = max(at.Again+1, e.Again)
		at.Until = e.Until
		if e.Until.After(k.Last) {
			k.Last = e.Until
		}
		return at
	}
	return nil
}
