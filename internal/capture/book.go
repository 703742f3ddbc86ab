package capture

import "container/list"

// Limits bound what is kept, in bytes. Zero means the default.
type Limits struct {
	Machine   int // of one machine: about three boots
	Stranger  int // of one stranger
	Strangers int // of all strangers
	Total     int // of all
}

func (l Limits) orDefaults() Limits {
	set := func(n *int, to int) {
		if *n == 0 {
			*n = to
		}
	}
	set(&l.Machine, 128<<10)
	set(&l.Stranger, 32<<10)
	set(&l.Strangers, 4<<20)
	set(&l.Total, 32<<20)
	return l
}

// maxStrangers are kept, as many as have timelines: each has a file, and those
// that a flood makes take the time of the disk that leases are synced to.
const maxStrangers = 2048

// book files packets under their machines.
type book struct {
	limits   Limits
	subjects map[MAC]*subject
	machines shelf
	others   shelf            // strangers
	gone     map[MAC]struct{} // whose files are to be removed
}

// shelf is subjects in the order in which they were heard of, the last first.
type shelf struct {
	order list.List
	size  int
}

// subject is who packets are filed under.
type subject struct {
	mac MAC
	ring
	heard    heard
	stranger bool
	stayed   bool // since the files were last written
	place    *list.Element

	unsaved []Packet
	pending int  // bytes, of unsaved
	rewrite bool // the file does not hold all that comes before unsaved
	file    int  // its size in bytes
}

func newBook(l Limits) *book {
	return &book{limits: l.orDefaults(), subjects: map[MAC]*subject{}, gone: map[MAC]struct{}{}}
}

func (b *book) shelf(stranger bool) *shelf {
	if stranger {
		return &b.others
	}
	return &b.machines
}

func (b *book) room(s *subject) int {
	if s.stranger {
		return b.limits.Stranger
	}
	return b.limits.Machine
}

// add files a packet. stranger is of use for a subject that is new.
func (b *book) add(mac MAC, p kept, stranger bool) {
	s := b.subjects[mac]
	if s == nil {
		s = &subject{mac: mac, stranger: stranger}
		s.place = b.shelf(stranger).order.PushFront(s)
		b.subjects[mac] = s
	}
	sh := b.shelf(s.stranger)
	sh.order.MoveToFront(s.place)
	sh.size -= s.size
	s.ring.add(p, b.room(s))
	sh.size += s.size
	s.save(p.Packet, b.room(s))
	b.makeRoom()
}

// save notes that a packet is to be written. If they are more than the machine
// may have, the file is written anew instead.
func (s *subject) save(p Packet, room int) {
	if s.rewrite {
		return
	}
	s.unsaved = append(s.unsaved, p)
	s.pending += len(p.Data) + overhead
	if s.pending > room {
		s.saved(true)
	}
}

// saved empties what is to be written.
func (s *subject) saved(rewrite bool) { s.unsaved, s.pending, s.rewrite = nil, 0, rewrite }

// judge moves a subject between strangers and machines.
func (b *book) judge(s *subject, stranger bool) {
	if s.stranger == stranger || b.subjects[s.mac] != s {
		return
	}
	from, to := b.shelf(s.stranger), b.shelf(stranger)
	from.order.Remove(s.place)
	from.size -= s.size
	s.stranger = stranger
	s.place = to.order.PushFront(s)
	to.size += s.size
	b.makeRoom()
}

// makeRoom forgets strangers first, then who has been silent for longest.
func (b *book) makeRoom() {
	for b.others.size > b.limits.Strangers || b.others.order.Len() > maxStrangers {
		b.forget(&b.others)
	}
	for b.others.size+b.machines.size > b.limits.Total {
		if b.others.order.Len() > 0 {
			b.forget(&b.others)
		} else {
			b.forget(&b.machines)
		}
	}
}

func (b *book) forget(sh *shelf) {
	s := sh.order.Remove(sh.order.Back()).(*subject)
	sh.size -= s.size
	delete(b.subjects, s.mac)
	if s.file > 0 {
		b.gone[s.mac] = struct{}{}
	}
}
