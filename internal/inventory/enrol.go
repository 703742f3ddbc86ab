package inventory

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"bootes.dev/internal/store"
)

// DefaultPattern names machines that are added without a name.
const DefaultPattern = "pc-%"

// Marks in a pattern of names. A pattern has one of them.
const (
	markSerial = "%serial" // the serial number, or the MAC of one that has none
	markMAC    = "%mac"    // the MAC, without colons
	markNumber = "%"       // the next number, of four digits at least
)

// CheckPattern says whether machines can be named after a pattern.
func CheckPattern(pattern string) error {
	if strings.Count(pattern, "%") != 1 || CheckName(fill(pattern, "s1", "m1", 1234)) != nil {
		return &InvalidError{What: "pattern of names", Value: pattern,
			Want: "it is a host name in which % stands for a number, %serial for the serial number or %mac for the MAC address, such as pc-%"}
	}
	return nil
}

func fill(pattern, serial, mac string, number int) string {
	switch {
	case strings.Contains(pattern, markSerial):
		return strings.Replace(pattern, markSerial, serial, 1)
	case strings.Contains(pattern, markMAC):
		return strings.Replace(pattern, markMAC, mac, 1)
	}
	return strings.Replace(pattern, markNumber, fmt.Sprintf("%04d", number), 1)
}

// NameFor is a name after pattern that no machine has. A number is given once,
// whether a machine gets the name or not.
func (in *Inventory) NameFor(ctx context.Context, pattern, mac string, h Hardware) (string, error) {
	if err := CheckPattern(pattern); err != nil {
		return "", err
	}
	mac = strings.ReplaceAll(mac, ":", "")
	serial := hostPart(h.Serial)
	if serial == "" {
		serial = mac
	}
	if strings.Contains(pattern, markSerial) || strings.Contains(pattern, markMAC) {
		return fill(pattern, serial, mac, 0), nil
	}
	var name string
	err := in.s.Update(ctx, func(tx *store.Tx) error {
		last, err := absentIsZero(in.numbers.In(tx).Get(pattern))
		if err != nil {
			return err
		}
		for {
			last++
			name = fill(pattern, "", "", last)
			_, err := in.machines.In(tx).Get(name)
			if errors.Is(err, store.ErrNotFound) {
				return in.numbers.In(tx).Put(pattern, last)
			}
			if err != nil {
				return err
			}
		}
	})
	return name, err
}

// hostPart makes a serial number fit into a host name.
func hostPart(s string) string {
	s = strings.Trim(strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		case r >= 'A' && r <= 'Z':
			return r - 'A' + 'a'
		}
		return '-'
	}, s), "-")
	return strings.TrimRight(s[:min(len(s), 32)], "-")
}
