package tftp

import "container/heap"

// schedule is the transfers of a port by the time of their next look. An ACK
// moves the time for a repeat away, thousands of times a second: a transfer
// stays where it is then, and finds out at that look that there is more time.
type schedule []*transfer

func (s schedule) Len() int           { return len(s) }
func (s schedule) Less(i, j int) bool { return s[i].wake.Before(s[j].wake) }
func (s schedule) Swap(i, j int) {
	s[i], s[j] = s[j], s[i]
	s[i].index, s[j].index = i, j
}

func (s *schedule) Push(x any) {
	t := x.(*transfer)
	t.index = len(*s)
	*s = append(*s, t)
}

func (s *schedule) Pop() any {
	last := len(*s) - 1
	t := (*s)[last]
	(*s)[last] = nil
	*s = (*s)[:last]
	t.index = -1
	return t
}

// put has a transfer looked at when it is due.
func (s *schedule) put(t *transfer) {
	switch {
	case t.index < 0:
		t.wake = t.due
		heap.Push(s, t)
	case t.due.Before(t.wake):
		t.wake = t.due
		heap.Fix(s, t.index)
	}
}

// later moves a transfer to when it is due now.
func (s *schedule) later(t *transfer) {
	t.wake = t.due
	heap.Fix(s, t.index)
}

func (s *schedule) remove(t *transfer) {
	if t.index >= 0 {
		heap.Remove(s, t.index)
	}
}
