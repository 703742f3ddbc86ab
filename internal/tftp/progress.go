package tftp

import (
	"slices"
	"time"
)

// Progress is how far a transfer has come.
type Progress struct {
	Request
	Began      time.Time
	Done, Size int64 // bytes that the client has acknowledged, of the file's
	Resent     int   // windows that were sent again
}

// UnderWay are the transfers that send a file now.
func (s *Server) UnderWay() (all []Progress) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range s.desks {
		all = d.underWay(all)
	}
	return all
}

func (d *desk) underWay(all []Progress) []Progress {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, t := range d.active {
		if size := t.size.Load(); size > 0 {
			all = append(all, Progress{t.Request, t.began, t.acked.Load(), size, int(t.resent.Load())})
		}
	}
	return all
}

func (s *Server) opens(d *desk) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.desks = append(s.desks, d)
}

func (s *Server) closes(d *desk) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.desks = slices.DeleteFunc(s.desks, func(x *desk) bool { return x == d })
}
