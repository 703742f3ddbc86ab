package pdu

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// MaxBinary is the longest binary value read, in bytes: that of CHAP_C
// (RFC 7143, 12.1.3).
const MaxBinary = 1024

// ErrBinary: a value is no binary value, or too long.
var ErrBinary = errors.New("malformed binary value")

// ParseBinary reads a binary value: 0x and hexadecimal digits, or 0b and base64
// (RFC 7143, 6.1). Hexadecimal digits may be odd in number.
func ParseBinary(s string) (b []byte, err error) {
	if len(s) < 3 || len(s) > len("0x")+2*MaxBinary || s[0] != '0' {
		return nil, fmt.Errorf("parse %.20q: %w", s, ErrBinary)
	}
	switch s[1] {
	case 'x', 'X':
		b, err = hex.DecodeString(strings.Repeat("0", len(s)%2) + s[2:])
	case 'b', 'B':
		b, err = base64.StdEncoding.DecodeString(s[2:])
	default:
		err = ErrBinary
	}
	if err != nil || len(b) > MaxBinary {
		return nil, fmt.Errorf("parse %.20q: %w", s, ErrBinary)
	}
	return b, nil
}

// FormatBinary writes a binary value in hexadecimal, which all know.
func FormatBinary(b []byte) string { return "0x" + hex.EncodeToString(b) }
