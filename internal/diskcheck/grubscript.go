package diskcheck

import (
	"slices"
	"strconv"
	"strings"
)

// script is what is understood of a grub.cfg. Conditions are not evaluated: both
// sides of an `if` count.
type script struct {
	commands []command // outside of menu entries and functions
	entries  []menuEntry
}

// command is a line of a script; args[0] is its name. What a variable stands for is
// not known: "$" stays in the text.
type command struct {
	line int
	args []string
}

type menuEntry struct {
	line     int
	args     []string // behind "menuentry" or "submenu"
	commands []command
	entries  []menuEntry // of a submenu
}

// Bounds of a script that is taken for one.
const (
	maxScript = 1 << 20
	maxDepth  = 8
	maxWords  = 1 << 17
)

// parseScript reads a grub.cfg (GNU GRUB manual 2.06, 6.2).
func parseScript(b []byte) script {
	p := parser{words: scan(b)}
	var s script
	s.commands, s.entries = p.block(0)
	return s
}

// word of a script. A line's end and a semicolon are "\n"; quoted words are no
// keywords.
type word struct {
	line   int
	text   string
	quoted bool
}

// scan splits a script into words.
func scan(b []byte) (words []word) {
	line := 1
	for i := 0; i < len(b) && len(words) < maxWords; {
		switch c := b[i]; {
		case c == '\n' || c == ';':
			words = append(words, word{line, "\n", false})
			if c == '\n' {
				line++
			}
			i++
		case c == ' ' || c == '\t' || c == '\r':
			i++
		case c == '#':
			for i < len(b) && b[i] != '\n' {
				i++
			}
		default:
			text, quoted, n := scanWord(b[i:])
			words = append(words, word{line, text, quoted})
			line += strings.Count(string(b[i:i+n]), "\n")
			i += n
		}
	}
	return words
}

// scanWord takes the word that b begins with, of n bytes.
func scanWord(b []byte) (text string, quoted bool, n int) {
	var t strings.Builder
	for n < len(b) {
		switch c := b[n]; {
		case strings.IndexByte(" \t\r\n;", c) >= 0:
			return t.String(), quoted, n
		case c == '\\' && n+1 < len(b):
			t.WriteByte(b[n+1])
			quoted = true
			n += 2
		case c == '\'' || c == '"':
			quoted = true
			n += 1 + scanQuoted(&t, b[n+1:], c)
		default:
			t.WriteByte(c)
			n++
		}
	}
	return t.String(), quoted, n
}

// scanQuoted takes what is before the closing quote, and that.
func scanQuoted(t *strings.Builder, b []byte, quote byte) (n int) {
	for ; n < len(b) && b[n] != quote; n++ {
		if quote == '"' && b[n] == '\\' && n+1 < len(b) {
			n++
		}
		t.WriteByte(b[n])
	}
	return min(n+1, len(b))
}

type parser struct {
	words []word
	at    int
}

// is reports whether a word is one of the grammar's own.
func (w word) is(text string) bool { return !w.quoted && w.text == text }

// block reads until the brace that closes it. What is nested too deeply ends it.
func (p *parser) block(depth int) (commands []command, entries []menuEntry) {
	for p.at < len(p.words) {
		w := p.words[p.at]
		if w.is("}") {
			p.at++
			return commands, entries
		}
		args := p.line()
		switch {
		case p.opens():
			p.at++
			if depth == maxDepth {
				p.at = len(p.words)
				return commands, entries
			}
			inner, nested := p.block(depth + 1)
			if len(args) > 0 && (args[0].text == "menuentry" || args[0].text == "submenu") {
				entries = append(entries, menuEntry{args[0].line, texts(args[1:]), inner, nested})
			}
		case len(args) > 0:
			commands = append(commands, command{args[0].line, texts(args)})
		}
	}
	return commands, entries
}

// line reads a command, up to its end or a brace. Words that only begin one do not
// count.
func (p *parser) line() (args []word) {
	for ; p.at < len(p.words); p.at++ {
		switch w := p.words[p.at]; {
		case w.is("\n"):
			p.at++
			return args
		case w.is("{") || w.is("}"):
			return args
		case len(args) == 0 && !w.quoted && slices.Contains([]string{"then", "else", "do"}, w.text):
		default:
			args = append(args, w)
		}
	}
	return args
}

func (p *parser) opens() bool { return p.at < len(p.words) && p.words[p.at].is("{") }

func texts(words []word) (all []string) {
	for _, w := range words {
		all = append(all, w.text)
	}
	return all
}

// set are the values that a variable is set to, in their order. Those that stand on
// others are left out, and worked tells that there are some.
func (s script) set(name string) (values []string, worked bool) {
	for _, c := range s.commands {
		if len(c.args) != 2 || c.args[0] != "set" {
			continue
		}
		key, value, _ := strings.Cut(c.args[1], "=")
		switch {
		case key != name:
		case strings.Contains(value, "$"):
			worked = true
		default:
			values = append(values, value)
		}
	}
	return values, worked
}

// entry is the menu entry that is started by default; sure if there is no doubt
// which it is.
func (s script) entry() (e menuEntry, sure, ok bool) {
	values, worked := s.set("default")
	name, sure := "0", len(values) > 0 || !worked
	if len(values) > 0 {
		name = values[len(values)-1]
	}
	entries := s.entries
	for part := range strings.SplitSeq(name, ">") {
		i := index(entries, part)
		if i < 0 {
			i, sure = 0, false
		}
		if len(entries) == 0 {
			return e, false, false
		}
		e = entries[i]
		entries = e.entries
	}
	for len(e.entries) > 0 {
		e = e.entries[0]
	}
	return e, sure, true
}

// index finds an entry by its number, title or --id.
func index(entries []menuEntry, name string) int {
	if n, err := strconv.Atoi(name); err == nil {
		if n >= 0 && n < len(entries) {
			return n
		}
		return -1
	}
	return slices.IndexFunc(entries, func(e menuEntry) bool {
		if len(e.args) > 0 && e.args[0] == name {
			return true
		}
		i := slices.IndexFunc(e.args, func(a string) bool { return a == "--id" || a == "$menuentry_id_option" })
		return i >= 0 && i+1 < len(e.args) && e.args[i+1] == name
	})
}
