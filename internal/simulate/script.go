package simulate

import (
	"encoding/hex"
	"net"
	"net/url"
	"strings"
)

// settings are what iPXE's scripts call settings.
type settings map[string]string

// newSettings are those of iPXE after it has its address.
func newSettings(f Firmware, mac net.HardwareAddr, c choice) settings {
	s := settings{
		"mac": mac.String(), "ip": c.lease.Address.String(), "dhcp-server": c.lease.Server.String(), "filename": c.file, "root-path": c.root,
		"next-server": c.next.String(), "platform": "pcbios", "buildarch": "i386", "version": "1.0.0+", "user-class": "iPXE",
	}
	if f.efi {
		s["platform"], s["buildarch"] = "efi", map[uint16]string{6: "i386", 7: "x86_64", 11: "arm64"}[f.arch]
	}
	return s
}

// ofCard are the settings that a network card has of its own.
var ofCard = map[string]bool{"mac": true, "ip": true, "dhcp-server": true, "filename": true, "root-path": true, "next-server": true}

// get is the value of a setting as ${name:type} writes it.
func (s settings) get(name string) string {
	name, kind, typed := strings.Cut(name, ":")
	name = strings.TrimSpace(name)
	for _, card := range []string{"net0/", "netX/", "net0.dhcp/", "proxydhcp/"} {
		if rest, ok := strings.CutPrefix(name, card); ok && ofCard[rest] {
			name = rest
		}
	}
	v := s[name]
	if !typed {
		return v
	}
	return format(name, v, kind)
}

// format writes a value as a type of iPXE's (ipxe.org/cfg).
func format(name, v, kind string) string {
	raw := []byte(v)
	if name == "mac" {
		raw, _ = net.ParseMAC(v)
	}
	digits := hex.EncodeToString(raw)
	switch kind {
	case "hexraw":
		return digits
	case "hexhyp":
		return pairs(digits, "-")
	case "hex":
		return pairs(digits, ":")
	case "uristring":
		return strings.ReplaceAll(url.QueryEscape(v), "+", "%20")
	}
	return v
}

func pairs(digits, by string) string {
	var all []string
	for ; len(digits) >= 2; digits = digits[2:] {
		all = append(all, digits[:2])
	}
	return strings.Join(all, by)
}

const maxLine = 64 << 10

// expand puts values in place of ${…}, the innermost first.
func (s settings) expand(line string) string {
	for range 256 {
		end := -1
		start := strings.LastIndex(line, "${")
		for start >= 0 {
			if i := strings.IndexByte(line[start:], '}'); i >= 0 {
				end = start + i
				break
			}
			start = strings.LastIndex(line[:start], "${")
		}
		if end < 0 || len(line) > maxLine {
			break
		}
		line = line[:start] + s.get(line[start+2:end]) + line[end+1:]
	}
	return line
}

// command is one of a line, and what has to come before it for it to run.
type command struct {
	after string // "", "||", "&&" or ";"
	args  []string
}

// commands splits a line: iPXE knows blanks and no quotes. It does so before it
// puts values in, so that one with blanks stays one word.
func commands(line string) (all []command) {
	now := command{}
	for _, word := range strings.Fields(line) {
		switch word {
		case "||", "&&", ";":
			all = append(all, now)
			now = command{after: word}
		default:
			if strings.HasPrefix(word, "#") {
				return append(all, now)
			}
			now.args = append(now.args, word)
		}
	}
	return append(all, now)
}

// lines are a script's, without its mark.
func lines(b []byte) (all []string) {
	for line := range strings.Lines(string(b)) {
		all = append(all, strings.TrimSpace(line))
	}
	return all
}

// label finds ":name".
func label(script []string, name string) int {
	for i, line := range script {
		if rest, ok := strings.CutPrefix(line, ":"); ok && strings.TrimSpace(rest) == name {
			return i
		}
	}
	return -1
}
