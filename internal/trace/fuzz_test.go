package trace

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"testing"
)

// summed is b with the checksum that it ought to have.
func summed(b []byte) []byte {
	return binary.BigEndian.AppendUint32(bytes.Clone(b), crc32.Checksum(b, castagnoli))
}

// What can be read can be written, and is the same then.
func FuzzUnmarshal(f *testing.F) {
	b := encoded(f, &sample)
	f.Add(b[:len(b)-4])
	f.Add(encoded(f, new(Trace)))
	f.Add([]byte(magic + "\x02{}\x01\x01\x01\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var x, y Trace
		if err := x.UnmarshalBinary(summed(b)); err != nil {
			return
		}
		if err := y.UnmarshalBinary(encoded(t, &x)); err != nil || !same(&x, &y) {
			t.Fatalf("%+v became %+v, %v", x, y, err)
		}
		draw(&x, nowhere{})
	})
}

// nowhere is a canvas.
type nowhere struct{}

func (nowhere) bar(int, int, int, int, ink)        {}
func (nowhere) text(int, int, anchor, string, ink) {}
