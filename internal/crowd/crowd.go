// Package crowd bounds what is held in memory of machines, and of strangers
// beside them: anybody can make up strangers, and takes no machine's place.
package crowd

import "time"

// How many of each are held.
const (
	Machines  = 16384
	Strangers = 2048
)

// fewLooked is how many are looked at for the one that goes: all of them, at each
// message of a flood, are too many.
const fewLooked = 64

// Leaves is who has to go before one more comes, stranger or machine: of some of
// its kind, the one that has been silent for longest. It is nil if there is room.
// strangers counts those among all.
func Leaves[K comparable, V any](all map[K]*V, strangers int, stranger bool, is func(*V) bool, last func(*V) time.Time) (goes *V) {
	n, most := len(all)-strangers, Machines
	if stranger {
		n, most = strangers, Strangers
	}
	if n < most {
		return nil
	}
	looked := 0
	for _, v := range all { // in another order each time
		if is(v) != stranger {
			continue
		}
		if goes == nil || last(v).Before(last(goes)) {
			goes = v
		}
		if looked++; looked == fewLooked {
			break
		}
	}
	return goes
}
