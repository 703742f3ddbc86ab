package config

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// Option is a DHCP option by its number.
type Option struct {
	Code  uint8
	Value []byte
}

// maxOption is what one option holds (RFC 2132, 2).
const maxOption = 255

// ourOptions are those that Boötes makes, and what to write instead.
var ourOptions = map[uint8]string{
	1: "write prefix:", 3: "write router:", 6: "write dns:", 15: "write domain:", 28: "write prefix:", 42: "write ntp:",
	51: "write lease:", 58: "write renew:", 59: "write rebind:", 121: "write routes:",
	12: "a machine has its name from `bootes machine add`, another host from name: under hosts:",
	17: "firmware with iSCSI of its own is told its disk: see `bootes machine credentials`",
	60: bootRight, 66: bootRight, 67: bootRight, 175: bootRight,
	50: ownRight, 52: ownRight, 53: ownRight, 54: ownRight, 55: ownRight, 56: ownRight, 57: ownRight, 61: ownRight, 77: ownRight,
	82: ownRight, 93: ownRight, 94: ownRight, 97: ownRight, 118: ownRight, 0: ownRight, 255: ownRight,
}

const (
	bootRight = "what a machine boots is told by Boötes: see `bootes machine set`"
	ownRight  = "it belongs to the protocol itself: take the line out"
)

// options reads a block whose keys are numbers of options.
func (r *reader) options(dst *[]Option) func(value) {
	const right = "write a block of numbers and values, such as 150: 192.168.1.10"
	return func(v value) {
		if v.empty() {
			return
		}
		all, ok := pairs(v.node)
		if !ok {
			r.fault(v, "is "+kind(v.node), right)
			return
		}
		for _, p := range all {
			name := p.Key.GetToken().Value
			key, item := value{key: v.key, at: p.Key}, value{key: join(v.key, name), node: p.Value, at: p.Value}
			if item.empty() {
				item.at = p.Key
			}
			code, err := strconv.ParseUint(name, 10, 8)
			twice := slices.ContainsFunc(*dst, func(o Option) bool { return err == nil && o.Code == uint8(code) })
			switch ours, made := ourOptions[uint8(code)]; {
			case err != nil:
				r.fault(key, fmt.Sprintf("%q is no number of an option", name), "write one from 1 to 254")
			case made:
				r.fault(key, fmt.Sprintf("option %d is made by Boötes", code), "%s", ours)
			case twice:
				r.fault(key, fmt.Sprintf("option %d is here a second time", code), "keep one")
			default:
				if b, ok := r.optionValue(item); ok {
					*dst = append(*dst, Option{uint8(code), b})
				}
			}
		}
		slices.SortFunc(*dst, func(a, b Option) int { return int(a.Code) - int(b.Code) })
	}
}

// optionValue reads what an option holds; its form tells the type.
func (r *reader) optionValue(v value) (b []byte, ok bool) {
	if _, list := v.node.(*ast.SequenceNode); list {
		before := len(r.faults)
		var addrs []netip.Addr
		r.addrs(&addrs)(v)
		for _, a := range addrs {
			b = append(b, a.AsSlice()...)
		}
		return b, len(r.faults) == before && r.optionFits(v, b)
	}
	const right = "write an IPv4 address or a list of them, a text, u8:, u16: or u32: and a number, or hex: and bytes"
	s, ok := r.text(v, right)
	if !ok {
		return nil, false
	}
	switch v.node.(type) {
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		r.fault(v, fmt.Sprintf("%s has no width", s), `write u8:, u16: or u32: before a number, or "%s" for a text`, s)
		return nil, false
	}
	b, err := optionBytes(s)
	if err != nil {
		r.fault(v, fmt.Sprintf("%q %s", s, err), right)
		return nil, false
	}
	return b, r.optionFits(v, b)
}

func (r *reader) optionFits(v value, b []byte) bool {
	switch {
	case len(b) == 0:
		r.fault(v, "is empty", "write what the option holds, or take the line out")
	case len(b) > maxOption:
		r.fault(v, fmt.Sprintf("holds %d bytes", len(b)), "an option has at most %d", maxOption)
	}
	return len(b) > 0 && len(b) <= maxOption
}

// optionBytes reads one scalar.
func optionBytes(s string) ([]byte, error) {
	if a, err := netip.ParseAddr(s); err == nil && a.Is4() {
		return a.AsSlice(), nil
	}
	form, rest, _ := strings.Cut(s, ":")
	bits := map[string]int{"u8": 8, "u16": 16, "u32": 32}[form]
	if form == "hex" {
		b, err := hex.DecodeString(strings.NewReplacer(":", "", " ", "").Replace(rest))
		if err != nil {
			return nil, fmt.Errorf("is no row of bytes")
		}
		return b, nil
	}
	if bits == 0 {
		return []byte(s), nil
	}
	n, err := strconv.ParseUint(rest, 0, bits)
	if err != nil {
		return nil, fmt.Errorf("is no number of %d bits", bits)
	}
	return binary.BigEndian.AppendUint64(nil, n)[8-bits/8:], nil
}
