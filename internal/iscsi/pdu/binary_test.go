package pdu

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

func TestParseBinary(t *testing.T) {
	most := strings.Repeat("00", MaxBinary)
	for in, want := range map[string]string{
		"0x0102": "\x01\x02", "0X102": "\x01\x02", "0bAQI=": "\x01\x02", "0BAQI=": "\x01\x02",
		"0x" + most: strings.Repeat("\x00", MaxBinary),
	} {
		if got, err := ParseBinary(in); err != nil || string(got) != want {
			t.Errorf("%.20s: %x, %v", in, got, err)
		}
	}
	for in, want := range map[string]string{
		"":              `parse "": malformed binary value`,
		"0x":            `parse "0x": malformed binary value`,
		"0b":            `parse "0b": malformed binary value`,
		"01":            `parse "01": malformed binary value`,
		"012":           `parse "012": malformed binary value`,
		"0xzz":          `parse "0xzz": malformed binary value`,
		"0b!":           `parse "0b!": malformed binary value`,
		"1x01":          `parse "1x01": malformed binary value`,
		"0x0" + most:    `parse "0x000000000000000000": malformed binary value`,
		longestBase64(): `parse "0bAAAAAAAAAAAAAAAAAA": malformed binary value`,
	} {
		if _, err := ParseBinary(in); !errors.Is(err, ErrBinary) || err.Error() != want {
			t.Errorf("%.20q: %v", in, err)
		}
	}
}

// longestBase64 is as long as the longest hexadecimal value, but stands for more.
func longestBase64() string { return "0b" + strings.Repeat("A", 2*MaxBinary) }

func FuzzParseBinary(f *testing.F) {
	f.Add("0x0102")
	f.Add("0X1")
	f.Add("0bAQI=")
	f.Fuzz(func(t *testing.T, s string) {
		b, err := ParseBinary(s)
		if err != nil {
			return
		}
		if len(b) > MaxBinary {
			t.Fatalf("%d bytes", len(b))
		}
		if len(b) == 0 { // base64 of nothing but line ends
			return
		}
		back, err := ParseBinary(FormatBinary(b))
		if err != nil || !bytes.Equal(b, back) {
			t.Fatalf("%x came back as %x (%v)", b, back, err)
		}
	})
}
