package iscsi

import "slices"

// common is what the units have in common that are one disk, of several targets:
// its task set and its limits.
type common struct {
	order    order
	throttle throttle
}

// openDisk makes u one of the units of its disk. s.mu is held.
func (s *Server) openDisk(u *unit) {
	c := s.disks[u.Disk.Key()]
	if c == nil {
		c = &common{throttle: throttle{clock: s.now}}
		s.disks[u.Disk.Key()] = c
	}
	u.order, u.throttle = &c.order, &c.throttle
	u.order.join(u)
}

// closeDisk ends what openDisk began. No command has u any more.
func (s *Server) closeDisk(u *unit) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if u.order.part(u) {
		delete(s.disks, u.Disk.Key())
	}
	u.addTo(&s.past)
}

func (o *order) join(u *unit) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.units = append(o.units, u)
}

// part tells whether u was the last.
func (o *order) part(u *unit) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	i := slices.Index(o.units, u)
	o.units = slices.Delete(o.units, i, i+1)
	return len(o.units) == 0
}

// tasks are those in the task set, the dormant ones included. mu is held.
func (o *order) tasks() (n int) {
	for _, u := range o.units {
		n += int(u.users.Load() - u.attached.Load())
	}
	return n
}
