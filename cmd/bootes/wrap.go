package main

import (
	"strings"
	"unicode/utf8"
)

// wrap writes a paragraph that is indented: its first part stands before the
// indent, and the rest is broken at the terminal's width.
func (s *story) wrap(indent int, parts ...string) {
	margin := strings.Repeat(" ", indent)
	head := parts[0]
	text := strings.Join(parts[1:], "")
	if indent == 2 { // no list: the head is part of the text
		head, text = "", head+text
	}
	s.WriteString(margin[:max(indent-visible(head), 0)] + head)
	at := indent
	for i, word := range strings.Fields(text) {
		switch n := visible(word); {
		case i == 0:
			at += n
		case s.columns > 0 && at+1+n > s.columns:
			s.WriteString("\n" + margin)
			at = indent + n
		default:
			s.WriteByte(' ')
			at += 1 + n
		}
		s.WriteString(word)
	}
	s.WriteByte('\n')
}

// visible is how many characters of s a terminal shows.
func visible(s string) int {
	n := utf8.RuneCountInString(s)
	for {
		from := strings.Index(s, "\x1b[")
		if from < 0 {
			return n
		}
		to := strings.IndexByte(s[from:], 'm')
		if to < 0 {
			return n
		}
		n -= to + 1
		s = s[from+to+1:]
	}
}
