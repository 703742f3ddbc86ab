package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Unknown is what becomes of net-booting computers that nobody has added.
type Unknown string

// The policies for unknown computers.
const (
	Ignore Unknown = "ignore" // they are told nothing, and go on to their next boot device
	Hold   Unknown = "hold"   // they wait, in iPXE, until a person approves them
	Enrol  Unknown = "enrol"  // they are added by themselves
)

// Enrolment is what unknown computers become when they are enrolled, or
// approved without a word more.
type Enrolment struct {
	Image string // name:tag; empty: none was named
	Mode  string // persistent or ephemeral; empty: persistent
	Name  string // pattern of their names; empty: pc-%
}

func (r *reader) unknown(dst *Unknown) func(value) {
	const right = "write ignore, hold (until a person approves them) or enrol"
	return func(v value) {
		s, ok := r.text(v, right)
		switch {
		case !ok:
		case !slices.Contains([]Unknown{Ignore, Hold, Enrol}, Unknown(s)):
			r.fault(v, fmt.Sprintf("%q is no policy for unknown machines", s), right)
		default:
			*dst = Unknown(s)
		}
	}
}

func (r *reader) enrolment(dst *Enrolment) func(value) {
	return func(v value) {
		r.block(v, fields{
			"image": r.form(&dst.Image, imageForm, "image", "write name:tag, such as debian:12"),
			"mode":  r.form(&dst.Mode, modeForm, "mode of a disk", "write persistent (kept from boot to boot) or ephemeral"),
			"name":  r.pattern(&dst.Name),
		})
	}
}

var (
	imageForm = regexp.MustCompile(`^[a-z0-9]+([._-][a-z0-9]+)*:[A-Za-z0-9_][A-Za-z0-9._-]*$`)
	modeForm  = regexp.MustCompile(`^(persistent|ephemeral)$`)
)

// form reads a text of a form.
func (r *reader) form(dst *string, form *regexp.Regexp, what, right string) func(value) {
	return func(v value) {
		s, ok := r.text(v, right)
		if ok && !form.MatchString(s) {
			r.fault(v, fmt.Sprintf("%q is no %s", s, what), "%s", right)
			ok = false
		}
		if ok {
			*dst = s
		}
	}
}

// pattern reads a host name with one mark in it.
func (r *reader) pattern(dst *string) func(value) {
	const right = "write a host name with % for a number, %serial for the serial number or %mac for the MAC address, such as pc-%"
	return func(v value) {
		s, ok := r.text(v, right)
		if !ok {
			return
		}
		name := strings.NewReplacer("%serial", "s", "%mac", "m", "%", "1").Replace(s)
		if strings.Count(s, "%") != 1 || len(name) > 31 || !domainForm.MatchString(name) || strings.Trim(name, "0123456789.") == "" {
			r.fault(v, fmt.Sprintf("%q is no pattern of names", s), "%s", right)
			return
		}
		*dst = s
	}
}

// enrols checks what the keys about unknown machines say of each other.
func (r *reader) enrols(v value, i Interface, given map[string]value) {
	for _, name := range []string{"unknown", "enrol"} {
		if at, ok := given[name]; ok && i.DHCP == Off {
			r.fault(at, "has no meaning with dhcp: off", "write dhcp: proxy or server if Boötes shall tell machines here what to boot, or take the line out")
			return
		}
	}
	_, named := given["enrol"]
	switch {
	case named && i.Unknown == Ignore:
		r.fault(given["enrol"], "has no meaning with unknown: ignore", "write unknown: hold or enrol, or take the line out")
	case i.Unknown == Enrol && i.Enrol.Image == "":
		r.fault(v, "unknown: enrol has no image", "write what they boot, such as enrol: {image: debian:12}")
	}
}
