package main

import (
	"strings"
)

// gone tells what a removal took away.
type gone struct {
	text string // for people
	lost int64  // bytes that nothing else holds
}

type removed struct {
	Removed []string `json:"removed"`
	Lost    int64    `json:"lost,omitempty"`
}

// removeAll removes one thing after the other, stops at the first that
// cannot be, and says what is gone.
func (a *app) removeAll(names []string, remove func(string) (gone, error)) error {
	r := removed{Removed: []string{}}
	var b strings.Builder
	var failed error
	for _, name := range names {
		var g gone
		if g, failed = remove(name); failed != nil {
			break
		}
		r.Removed = append(r.Removed, name)
		r.Lost += g.lost
		b.WriteString("removed " + clean(g.text) + "\n")
	}
	if err := a.print(r, b.String); failed == nil {
		return err
	}
	return failed
}
