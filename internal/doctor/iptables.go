package doctor

import (
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// with has the rules of another filter, too.
func (r *ruleset) with(other *ruleset) *ruleset {
	if r == nil {
		return other
	}
	r.base, r.other = append(r.base, other.base...), append(r.other, other.other...)
	maps.Copy(r.chain, other.chain)
	return r
}

// parseLegacy reads what iptables-legacy-save prints (iptables-save(8)), in
// nft's terms:
//
//	*filter
//	:INPUT DROP [0:0]
//	-A INPUT ! -i lo -p udp -m udp --dport 69 -j ACCEPT
//	COMMIT
func parseLegacy(text []byte) *ruleset {
	r := &ruleset{chain: map[chainID]*nftChain{}, sets: map[chainID][]any{}}
	table := ""
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		switch all := fields(line); {
		case strings.HasPrefix(line, "*"):
			table = line[1:]
		case strings.HasPrefix(line, ":") && len(all) > 1:
			c := &nftChain{chainID: chainID{legacy, table, all[0][1:]}, drops: all[1] == "DROP", nat: table == "nat"}
			r.chain[c.chainID] = c
			r.hook(c, map[string]string{"INPUT": "input", "PREROUTING": "prerouting", "OUTPUT": "output", "POSTROUTING": "postrouting"}[c.name])
		case len(all) > 1 && all[0] == "-A":
			if c := r.chain[chainID{legacy, table, all[1]}]; c != nil {
				c.rules = append(c.rules, legacyRule(all[2:]))
			}
		}
	}
	return r
}

// fields splits a line into words, of which those with blanks are in quotes.
func fields(line string) (all []string) {
	var word strings.Builder
	quoted, begun, escaped := false, false, false
	end := func() {
		if begun {
			all = append(all, word.String())
		}
		word.Reset()
		begun = false
	}
	for _, c := range line {
		switch {
		case !escaped && quoted && c == '\\':
			escaped = true
			continue
		case !escaped && c == '"':
			quoted, begun = !quoted, true
		case !quoted && c == ' ':
			end()
		default:
			word.WriteRune(c)
			begun = true
		}
		escaped = false
	}
	end()
	return all
}

// legacyRule is a rule of the old iptables.
func legacyRule(words []string) (rule []map[string]any) {
	network, not := "th", false
	add := func(left map[string]any, values ...any) {
		op := "=="
		if not {
			op = "!="
		}
		rule = append(rule, map[string]any{"match": map[string]any{"op": op, "left": left, "right": map[string]any{"set": values}}})
	}
	for i := 0; i < len(words); i++ {
		option := words[i]
		if option == "!" {
			not = true
			continue
		}
		value := ""
		if i+1 < len(words) {
			value = words[i+1]
		}
		switch option {
		case "-i":
			add(meta("iifname"), strings.Replace(value, "+", "*", 1))
		case "-p":
			network = value
			add(meta("l4proto"), value)
		case "--dport", "--dports", "--destination-ports":
			add(map[string]any{"payload": map[string]any{"protocol": network, "field": "dport"}}, legacyPorts(value)...)
		case "-s":
			add(map[string]any{"payload": map[string]any{"protocol": "ip", "field": "saddr"}}, legacyPrefix(value))
		case "--state", "--ctstate":
			add(map[string]any{"ct": map[string]any{"key": "state"}}, list(strings.ToLower(value))...)
		case "-m":
			if !plain[value] {
				rule = append(rule, map[string]any{"xt": value})
			}
		case "--comment":
		case "-j", "-g":
			return append(rule, legacyTarget(option, value, words[min(i+2, len(words)):]))
		default:
			if strings.HasPrefix(option, "-") {
				rule = append(rule, map[string]any{"xt": option})
				not = false
			}
			continue
		}
		i++
		not = false
	}
	return rule
}

// plain are the matches that do nothing but by options which are known here.
var plain = map[string]bool{"udp": true, "tcp": true, "multiport": true, "state": true, "conntrack": true, "comment": true}

func meta(key string) map[string]any { return map[string]any{"meta": map[string]any{"key": key}} }

func list(words string) (all []any) {
	for word := range strings.SplitSeq(words, ",") {
		all = append(all, word)
	}
	return all
}

// legacyPorts are ports and ranges of them, "67,69:70".
func legacyPorts(words string) (all []any) {
	for word := range strings.SplitSeq(words, ",") {
		all = append(all, legacyRange(word, ":"))
	}
	return all
}

func legacyRange(word, to string) any {
	number := func(s string) float64 {
		n, err := strconv.ParseUint(s, 10, 16)
		if err != nil {
			return -1
		}
		return float64(n)
	}
	if first, last, ok := strings.Cut(word, to); ok {
		return map[string]any{"range": []any{number(first), number(last)}}
	}
	return number(word)
}

func legacyPrefix(word string) any {
	p, err := netip.ParsePrefix(word)
	if err != nil {
		return word
	}
	return map[string]any{"prefix": map[string]any{"addr": p.Addr().String(), "len": float64(p.Bits())}}
}

// legacyTarget is what a rule does.
func legacyTarget(how, name string, options []string) map[string]any {
	to := map[string]any{"target": name}
	option := func(name string) string {
		if i := slices.Index(options, name); i >= 0 && i+1 < len(options) {
			return options[i+1]
		}
		return ""
	}
	switch name {
	case "ACCEPT", "DROP", "REJECT", "RETURN":
		return map[string]any{strings.ToLower(name): nil}
	case "QUEUE", "NFQUEUE":
		return map[string]any{"queue": nil}
	case "TPROXY":
		return map[string]any{"tproxy": nil}
	case "REDIRECT":
		to = map[string]any{}
		if ports := option("--to-ports"); ports != "" {
			to["port"] = legacyRange(ports, "-")
		}
		return map[string]any{"redirect": to}
	case "DNAT":
		return map[string]any{"dnat": map[string]any{"addr": option("--to-destination")}}
	case "LOG", "NFLOG", "MARK", "CONNMARK", "CT", "NOTRACK", "TRACE", "AUDIT", "CHECKSUM", "TCPMSS", "DSCP", "TOS", "CLASSIFY", "SET", "":
		return map[string]any{"log": nil}
	}
	return map[string]any{map[string]string{"-j": "jump", "-g": "goto"}[how]: to}
}
