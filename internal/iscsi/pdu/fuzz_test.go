package pdu

import (
	"bytes"
	"reflect"
	"testing"
)

// FuzzHeaders decodes any bytes as every PDU; what is decoded must encode to
// something that decodes to the same.
func FuzzHeaders(f *testing.F) {
	for _, v := range vectors {
		f.Add(unhex(f, v.hex))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var h Header
		_ = h.UnmarshalBinary(b)
		for _, v := range vectors {
			p := fresh(v.p)
			if p.UnmarshalBinary(b) != nil {
				continue
			}
			if c, ok := p.(*SCSICommand); ok {
				c.AHSLength = 0 // never written
			}
			wire, err := p.AppendBinary(nil)
			back := fresh(v.p)
			if err != nil || back.UnmarshalBinary(wire) != nil || !reflect.DeepEqual(p, back) {
				t.Fatalf("%s: %+v came back as %+v", v.name, p, back)
			}
		}
	})
}

func FuzzParseText(f *testing.F) {
	f.Add([]byte("InitiatorName=iqn.x\x00SessionType=Normal\x00"))
	f.Add([]byte("A=1\x00A=2"))
	f.Fuzz(func(t *testing.T, text []byte) {
		pairs, err := ParseText(text)
		if err != nil {
			return
		}
		var wire []byte
		for _, p := range pairs {
			wire = AppendText(wire, p.Key, p.Value)
		}
		again, err := ParseText(wire)
		if err != nil || !reflect.DeepEqual(pairs, again) {
			t.Fatalf("%q came back as %q (%v)", pairs, again, err)
		}
		if len(wire) > 0 && !bytes.HasSuffix(wire, []byte{0}) {
			t.Fatal("no closing zero")
		}
	})
}
