package inventory

import (
	"context"
	"slices"
	"strings"
)

// mistyped is in how many digits a MAC may differ from the one that was meant: two
// that changed places are two.
const mistyped = 2

var digits = strings.NewReplacer(":", "", "-", "", ".", "")

// Mistyped reports whether a person who meant one of two MAC addresses may have
// typed the other.
func Mistyped(a, b string) bool {
	return resemble(digits.Replace(strings.ToLower(a)), digits.Replace(strings.ToLower(b)))
}

// Card is a network card of a machine.
type Card struct{ MAC, Machine string }

// Resembling are the network cards that a person may have meant who typed mac, a
// canonical one.
func (in *Inventory) Resembling(ctx context.Context, mac string) (all []Card, err error) {
	in.desk.mu.Lock()
	defer in.desk.mu.Unlock()
	c, err := in.take(ctx)
	if err != nil {
		return nil, err
	}
	for its, machine := range c.machineOf {
		if resemble(its, mac) {
			all = append(all, Card{its, machine})
		}
	}
	slices.SortFunc(all, func(a, b Card) int { return strings.Compare(a.MAC, b.MAC) })
	return all, nil
}

func resemble(a, b string) bool {
	if len(a) != len(b) || a == b {
		return false
	}
	n := 0
	for i := range len(a) {
		if a[i] != b[i] {
			n++
		}
	}
	return n <= mistyped
}
