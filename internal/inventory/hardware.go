package inventory

import (
	"context"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"bootes.dev/internal/store"
)

// Hardware is what a computer's firmware says of it. Anybody can make it up.
type Hardware struct {
	UUID         string `json:"uuid,omitempty"`   // "" if it is none, or one that many boards have
	Serial       string `json:"serial,omitempty"` // likewise
	Manufacturer string `json:"manufacturer,omitempty"`
	Product      string `json:"product,omitempty"`
	Memory       int64  `json:"memory,omitempty"` // bytes
	NIC          string `json:"nic,omitempty"`    // the card that it boots from
}

// dummyUUIDs are on boards whose maker wrote none.
var dummyUUIDs = []string{
	"00000000-0000-0000-0000-000000000000",
	"ffffffff-ffff-ffff-ffff-ffffffffffff",
	"03000200-0400-0500-0006-000700080009", // AMI's reference firmware
	"12345678-1234-5678-90ab-cddeefaabbcc",
	"4c4c4544-0000-2010-8020-80c04f202020", // Dell's, made of a service tag of blanks
}

// RealUUID is u in its usual form; "" if it is none, or one that many boards have.
func RealUUID(u string) string {
	c, err := canonicalUUID(u)
	if err != nil || c == "" || slices.ContainsFunc(dummyUUIDs, func(d string) bool { return uuidKey(d) == uuidKey(c) }) {
		return ""
	}
	return c
}

// uuidKey is the same for both byte orders of a UUID: firmware differs in which
// one it sends (RFC 4578, 2.3, and its readers).
func uuidKey(s string) string {
	u, err := uuid.Parse(s)
	if err != nil {
		return s
	}
	x := u
	slices.Reverse(x[0:4])
	slices.Reverse(x[4:6])
	slices.Reverse(x[6:8])
	return min(u.String(), x.String())
}

// SameUUID reports whether two UUIDs are one, in whichever byte order.
func SameUUID(a, b string) bool { return uuidKey(a) == uuidKey(b) }

// dummySerials are what makers write who write none, in lower case and without
// blanks, dots and hyphens.
var dummySerials = []string{
	"tobefilledbyoem", "systemserialnumber", "defaultstring", "notspecified", "notapplicable", "notavailable",
	"none", "na", "n/a", "null", "unknown", "invalid", "empty", "oem", "serial", "serialnumber", "chassisserialnumber",
	"1234567890", "0123456789", "123456789", "12345678", "1234567", "123456",
}

// RealSerial is a serial number without blanks around it; "" if it is none.
func RealSerial(s string) string {
	s = text(s)
	bare := strings.NewReplacer(" ", "", ".", "", "-", "").Replace(strings.ToLower(s))
	if len(bare) < 3 || slices.Contains(dummySerials, bare) || strings.Trim(bare, bare[:1]) == "" {
		return ""
	}
	return s
}

// maxFact is the longest text that is kept of firmware: a string of SMBIOS 2.0.
const maxFact = 64

// text keeps what a person can read.
func text(s string) string {
	s = strings.TrimSpace(strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, s))
	for len(s) > maxFact {
		_, n := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-n]
	}
	return s
}

func (h Hardware) normal() Hardware {
	return Hardware{
		UUID: RealUUID(h.UUID), Serial: RealSerial(h.Serial), Manufacturer: text(h.Manufacturer), Product: text(h.Product),
		Memory: max(h.Memory, 0), NIC: text(h.NIC),
	}
}

// with is h with what it lacks from x.
func (h Hardware) with(x Hardware) Hardware {
	for to, from := range map[*string]string{
		&h.UUID: x.UUID, &h.Serial: x.Serial, &h.Manufacturer: x.Manufacturer, &h.Product: x.Product, &h.NIC: x.NIC,
	} {
		if *to == "" {
			*to = from
		}
	}
	if h.Memory == 0 {
		h.Memory = x.Memory
	}
	return h
}

// SystemUUID is the machine's UUID: a person's word, or what was learnt.
func (m Machine) SystemUUID() string {
	if m.UUID != "" {
		return m.UUID
	}
	return m.Hardware.UUID
}

// SystemSerial is the machine's serial number, likewise.
func (m Machine) SystemSerial() string {
	if m.Serial != "" {
		return m.Serial
	}
	return m.Hardware.Serial
}

// Learn adds to a machine's record what is not known of its hardware yet.
func (in *Inventory) Learn(ctx context.Context, name string, h Hardware) (Machine, error) {
	var m Machine
	err := in.s.Update(ctx, func(tx *store.Tx) error {
		old, err := lookup(in.machines.In(tx), "machine", name, true)
		if err != nil {
			return err
		}
		m = old
		if m.Hardware = old.Hardware.with(h.normal()); m.Hardware == old.Hardware {
			return nil
		}
		if err := in.claimIdentities(tx, old, m); err != nil {
			return err
		}
		return in.machines.In(tx).Put(name, m)
	})
	return m, err
}
