package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Fault is one thing wrong in a file that is good YAML.
type Fault struct {
	File   string `json:"file"`
	Line   int    `json:"line"`          // from 1
	Column int    `json:"column"`        // from 1
	Key    string `json:"key,omitempty"` // such as "interfaces[0].dhcp"; empty: the file itself
	What   string `json:"what"`          // what is wrong
	Right  string `json:"right"`         // what would be right
}

// Error gives the fault in one line, its place first.
func (f Fault) Error() string {
	s := fmt.Sprintf("%s:%d:%d: ", f.File, f.Line, f.Column)
	if f.Key != "" {
		s += f.Key + ": "
	}
	s += f.What
	if f.Right != "" {
		s += "; " + f.Right
	}
	return s
}

// Faults are all the faults of one file, in the order of its lines.
type Faults []Fault

// Error gives one line for each fault.
func (fs Faults) Error() string {
	lines := make([]string, len(fs))
	for i, f := range fs {
		lines[i] = f.Error()
	}
	return strings.Join(lines, "\n")
}

func (fs Faults) sorted() Faults {
	slices.SortStableFunc(fs, func(a, b Fault) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return fs
}

// SyntaxError is a file that is no YAML.
type SyntaxError struct {
	File         string
	Line, Column int
	What         string
	Excerpt      string // the lines around, a caret below the place
}

// Error gives the place and the reason, then the excerpt.
func (e *SyntaxError) Error() string {
	s := fmt.Sprintf("%s:%d:%d: not valid YAML: %s", e.File, e.Line, e.Column, e.What)
	if e.Excerpt != "" {
		s += "\n" + e.Excerpt
	}
	return s
}
