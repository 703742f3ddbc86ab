package capture

import "slices"

// overhead is about what a packet takes in memory beside its bytes.
const overhead = 64

// ring is the last packets of one machine.
type ring struct {
	packets []kept // oldest first
	size    int    // bytes, of all
	room    [kinds]int
}

type kept struct {
	Packet
	kind kind
}

func (k kept) size() int { return len(k.Data) + overhead }

// add puts a packet in and takes out others until there is room: the oldest of
// the kind that takes the most. So a machine that asks for its script again and
// again does not push out how it got its address.
func (r *ring) add(p kept, room int) {
	r.packets = append(r.packets, p)
	r.size += p.size()
	r.room[p.kind] += p.size()
	for r.size > room && len(r.packets) > 1 {
		r.drop()
	}
}

func (r *ring) drop() {
	var most kind
	for k := range kinds {
		if r.room[k] > r.room[most] {
			most = k
		}
	}
	i := slices.IndexFunc(r.packets, func(p kept) bool { return p.kind == most })
	n := r.packets[i].size()
	r.packets = slices.Delete(r.packets, i, i+1)
	r.size -= n
	r.room[most] -= n
}
