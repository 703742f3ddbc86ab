package tftp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// Opcodes (RFC 1350, 5; RFC 2347).
const (
	opRRQ   = 1
	opWRQ   = 2
	opDATA  = 3
	opACK   = 4
	opERROR = 5
	opOACK  = 6
)

// Error codes (RFC 1350, appendix; RFC 2347).
const (
	codeUndefined   = 0
	codeNotFound    = 1
	codeAccess      = 2
	codeIllegal     = 4
	codeOptionsFail = 8
)

// maxOptions bounds the options of one request; the known ones are five.
const maxOptions = 16

var errMalformed = errors.New("malformed packet")

// option is one name and value of a request or an OACK.
type option struct{ name, value string }

// request is an RRQ or WRQ (RFC 1350, figure 5-1; RFC 2347).
//
//	 2 bytes    string    1   string   1   string  1   string   1
//	+--------+----------+---+--------+---+-------+---+--------+---+
//	| Opcode | Filename | 0 |  Mode  | 0 | opt 1 | 0 | value1 | 0 | …
//	+--------+----------+---+--------+---+-------+---+--------+---+
type request struct {
	op       uint16
	filename string
	mode     string // lower case
	options  []option
}

// UnmarshalBinary reads an RRQ or WRQ. A last string without its NUL and a
// last option without a value are refused.
func (r *request) UnmarshalBinary(b []byte) error {
	if len(b) < 2 {
		return fmt.Errorf("read request: %w", errMalformed)
	}
	r.op = binary.BigEndian.Uint16(b)
	if r.op != opRRQ && r.op != opWRQ {
		return fmt.Errorf("read request: %w: opcode %d", errMalformed, r.op)
	}
	fields, found := strings.CutSuffix(string(b[2:]), "\x00")
	f := strings.Split(fields, "\x00")
	if !found || len(f) < 2 || f[0] == "" {
		return fmt.Errorf("read request: %w", errMalformed)
	}
	r.filename, r.mode = f[0], strings.ToLower(f[1])
	r.options = nil
	// Some ROMs pad the request with NULs: an empty option name ends the list.
	for f = f[2:]; len(f) >= 2 && f[0] != "" && len(r.options) < maxOptions; f = f[2:] {
		r.options = append(r.options, option{strings.ToLower(f[0]), f[1]})
	}
	return nil
}

// AppendBinary writes the request.
func (r *request) AppendBinary(b []byte) ([]byte, error) {
	b = binary.BigEndian.AppendUint16(b, r.op)
	b = appendString(appendString(b, r.filename), r.mode)
	return appendOptions(b, r.options), nil
}

// appendOACK writes an option acknowledgement (RFC 2347).
func appendOACK(b []byte, options []option) []byte {
	return appendOptions(binary.BigEndian.AppendUint16(b, opOACK), options)
}

func appendOptions(b []byte, options []option) []byte {
	for _, o := range options {
		b = appendString(appendString(b, o.name), o.value)
	}
	return b
}

func appendString(b []byte, s string) []byte { return append(append(b, s...), 0) }

// appendError writes an ERROR packet: opcode, code, message, NUL.
func appendError(b []byte, code uint16, message string) []byte {
	b = binary.BigEndian.AppendUint16(b, opERROR)
	b = binary.BigEndian.AppendUint16(b, code)
	return appendString(b, message)
}

// answer is what a client sends during a transfer: an ACK of a block, or an
// ERROR with a code and a message.
type answer struct {
	op      uint16
	number  uint16 // block or error code
	message string
}

// UnmarshalBinary reads an ACK or an ERROR. The message of an ERROR may lack
// its NUL; bytes after either packet are ignored.
func (a *answer) UnmarshalBinary(b []byte) error {
	if len(b) < 4 {
		return fmt.Errorf("read answer: %w", errMalformed)
	}
	a.op, a.number = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	a.message = ""
	switch a.op {
	case opACK:
	case opERROR:
		a.message, _, _ = strings.Cut(string(b[4:]), "\x00")
	default:
		return fmt.Errorf("read answer: %w: opcode %d", errMalformed, a.op)
	}
	return nil
}
