package store

import (
	"bytes"
	"encoding/hex"
	"errors"
	"reflect"
	"strings"
	"testing"
)

func TestRecord(t *testing.T) {
	for _, tt := range []struct {
		changes []change
		hex     string
	}{
		{[]change{{"a", []byte("xy")}}, "05000000 c0a0ec1d  01 61  03 7879"},
		{[]change{{"a", []byte{}}}, "03000000 760f70a4  01 61  01"},
		{[]change{{"a", nil}, {"bc", []byte("x")}}, "08000000 85573649  01 61  00   02 6263  02 78"},
	} {
		want, err := hex.DecodeString(strings.ReplaceAll(tt.hex, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		got := appendRecord([]byte("before"), tt.changes)
		if !bytes.Equal(got[len("before"):], want) {
			t.Errorf("%v is written as % x, want %s", tt.changes, got[len("before"):], tt.hex)
		}
		changes, rest, err := readRecord(append(want, "rest"...))
		if err != nil || !reflect.DeepEqual(changes, tt.changes) || string(rest) != "rest" {
			t.Errorf("%s is read as %v, %q, %v", tt.hex, changes, rest, err)
		}
	}
}

func TestNoRecord(t *testing.T) {
	good := appendRecord(nil, []change{{"key", []byte("value")}})
	for name, b := range map[string][]byte{
		"nothing":              nil,
		"zeros":                make([]byte, 100),
		"a few zeros":          make([]byte, 3),
		"the rest of a record": good[len(good)-3:],
		"cut":                  good[:len(good)-1],
		"cut in its head":      good[:6],
		"a bit":                append([]byte{good[0]}, append([]byte{good[1] ^ 1}, good[2:]...)...),
		"a bit of its value":   append(bytes.Clone(good[:len(good)-1]), good[len(good)-1]^1),
		"no length, but a sum": {0, 0, 0, 0, 1, 0, 0, 0, 0},
		"an empty key":         appendRecord(nil, []change{{"", nil}}),
	} {
		if _, _, err := readRecord(b); !errors.Is(err, errNoRecord) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzRecord: whatever is read can be written, and is read as the same again.
func FuzzRecord(f *testing.F) {
	f.Add(appendRecord(nil, []change{{"a", nil}, {"b", []byte("x")}, {"c", []byte{}}}), true)
	f.Add([]byte{1, 0x61, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}, false)
	f.Fuzz(func(t *testing.T, b []byte, whole bool) {
		if !whole { // with a sum that is right
			b = append(make([]byte, recordHead), b...)
			seal(b)
		}
		changes, rest, err := readRecord(b)
		if err != nil {
			return
		}
		again, _, err := readRecord(appendRecord(nil, changes))
		if err != nil || !reflect.DeepEqual(again, changes) {
			t.Errorf("%v is read again as %v, %v", changes, again, err)
		}
		if len(rest) >= len(b) {
			t.Errorf("%d bytes are left of %d", len(rest), len(b))
		}
	})
}
