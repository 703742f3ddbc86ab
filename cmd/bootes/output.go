package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// print writes v as JSON, or what text makes of it.
func (a *app) print(v any, text func() string) error {
	if a.format == "json" {
		enc := json.NewEncoder(a.out)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		return enc.Encode(v)
	}
	_, err := io.WriteString(a.out, text())
	return err
}

// table lays rows out in columns. Columns whose heading begins with ">" are
// aligned to the right.
type table struct {
	right []bool
	rows  [][]string
}

func newTable(headings ...string) *table {
	t := &table{right: make([]bool, len(headings))}
	for i, h := range headings {
		headings[i], t.right[i] = strings.CutPrefix(h, ">")
	}
	t.rows = [][]string{headings}
	return t
}

func (t *table) row(cells ...string) { t.rows = append(t.rows, cells) }

// drop takes a column out, one that would say nothing.
func (t *table) drop(heading string) {
	at := slices.Index(t.rows[0], heading)
	t.right = slices.Delete(t.right, at, at+1)
	for i, row := range t.rows {
		t.rows[i] = slices.Delete(row, at, at+1)
	}
}

func (t *table) String() string {
	width := make([]int, len(t.right))
	for _, row := range t.rows {
		for i := range row {
			row[i] = clean(row[i])
			width[i] = max(width[i], utf8.RuneCountInString(row[i]))
		}
	}
	var b bytes.Buffer
	for _, row := range t.rows {
		var line strings.Builder
		for i, cell := range row {
			pad := strings.Repeat(" ", width[i]-utf8.RuneCountInString(cell))
			if t.right[i] {
				cell, pad = pad+cell, ""
			}
			line.WriteString(cell + pad + "  ")
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	return b.String()
}

// sheet lays out one thing: a name and a value a line, empty values left out.
func sheet(pairs ...string) string {
	width := 0
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			width = max(width, utf8.RuneCountInString(pairs[i]))
		}
	}
	var b strings.Builder
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			fmt.Fprintf(&b, "%-*s  %s\n", width, pairs[i], clean(pairs[i+1]))
		}
	}
	return b.String()
}

// clean takes out what could steer a terminal: parts of what is shown come
// from packets that anyone may send.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
