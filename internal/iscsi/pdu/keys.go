package pdu

import (
	"bytes"
	"errors"
	"fmt"
)

// Limits of text (RFC 7143, 6.1).
const (
	maxKey   = 63
	maxValue = 8192 // the longest any key may have; most are held to 255
)

// KeyValue is one key=value pair of a login or text data segment.
type KeyValue struct{ Key, Value string }

// ErrText: the text breaks the rules of RFC 7143, 6.1.
var ErrText = errors.New("malformed key=value text")

// ParseText splits text into its pairs, each of which ends with a zero byte.
// A missing last zero is forgiven, and so are empty pairs: some initiators
// count their padding as data. A key given twice is not.
func ParseText(text []byte) ([]KeyValue, error) {
	var pairs []KeyValue
	for len(text) > 0 {
		var pair []byte
		pair, text, _ = bytes.Cut(text, []byte{0})
		if len(pair) == 0 {
			continue
		}
		key, value, found := bytes.Cut(pair, []byte("="))
		if !found || !validKey(key) || len(value) > maxValue {
			return nil, fmt.Errorf("parse %.64q: %w", pair, ErrText)
		}
		for _, p := range pairs {
			if p.Key == string(key) {
				return nil, fmt.Errorf("parse second %q: %w", key, ErrText)
			}
		}
		pairs = append(pairs, KeyValue{string(key), string(value)})
	}
	return pairs, nil
}

// validKey: a capital letter first, then letters, digits and . - + @ _
// (RFC 7143, 6.1).
func validKey(key []byte) bool {
	if len(key) == 0 || len(key) > maxKey || key[0] < 'A' || key[0] > 'Z' {
		return false
	}
	for _, c := range key {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		case bytes.IndexByte([]byte(".-+@_"), c) >= 0:
		default:
			return false
		}
	}
	return true
}

// AppendText appends key=value and the closing zero.
func AppendText(b []byte, key, value string) []byte {
	b = append(b, key...)
	b = append(b, '=')
	b = append(b, value...)
	return append(b, 0)
}
