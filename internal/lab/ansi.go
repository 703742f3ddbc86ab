package lab

// ansi turns what a firmware, boot loader or shell paints on a serial terminal
// into plain text: control sequences are dropped, a cursor jump becomes a new
// line. Its state lives across writes, for a sequence may be cut anywhere.
type ansi struct {
	state ansiState
	last  byte
}

type ansiState int

const (
	ansiText    ansiState = iota
	ansiEscape            // after ESC
	ansiControl           // after ESC [, until a byte 0x40-0x7e (ECMA-48, 5.4)
	ansiString            // after ESC ], until BEL or ESC \
	ansiCharset           // after ESC ( or ESC ), one more byte
)

// appendText appends the text in p to dst.
func (a *ansi) appendText(dst, p []byte) []byte {
	for _, c := range p {
		switch a.state {
		case ansiText:
			dst = a.text(dst, c)
		case ansiEscape:
			a.state = afterEscape(c)
		case ansiControl:
			if c < 0x40 || c > 0x7e {
				continue
			}
			a.state = ansiText
			if c == 'H' || c == 'f' || c == 'J' {
				dst = a.newline(dst)
			}
		case ansiString:
			if c == '\a' {
				a.state = ansiText
			} else if c == 0x1b {
				a.state = ansiCharset
			}
		case ansiCharset:
			a.state = ansiText
		}
	}
	return dst
}

func (a *ansi) text(dst []byte, c byte) []byte {
	switch {
	case c == 0x1b:
		a.state = ansiEscape
		return dst
	case c == '\n':
		return a.newline(dst)
	case c < 0x20 && c != '\t', c == 0x7f:
		return dst
	}
	a.last = c
	return append(dst, c)
}

// newline ends a line; painted screens would otherwise be mostly empty lines.
func (a *ansi) newline(dst []byte) []byte {
	if a.last == '\n' {
		return dst
	}
	a.last = '\n'
	return append(dst, '\n')
}

func afterEscape(c byte) ansiState {
	switch c {
	case '[':
		return ansiControl
	case ']':
		return ansiString
	case '(', ')':
		return ansiCharset
	}
	return ansiText
}
