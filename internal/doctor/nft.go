package doctor

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
)

// ruleset is what `nft -j list ruleset` tells (libnftables-json(5)), as far as
// it decides what reaches this computer.
type ruleset struct {
	base  []*nftChain // those that packets to this computer come by
	chain map[chainID]*nftChain
	sets  map[chainID][]any // and maps
}

// chainID names a chain, or a set.
type chainID struct{ family, table, name string }

type nftChain struct {
	chainID
	drops bool // what no rule decides
	rules [][]map[string]any
}

// nftSet is a set with a name, or a map.
type nftSet struct {
	Family, Table, Name string
	Elem                []any
}

// id has the name as rules refer to it.
func (s *nftSet) id() chainID { return chainID{s.Family, s.Table, "@" + s.Name} }

// parseRuleset reads nft's JSON.
func parseRuleset(text []byte) (*ruleset, error) {
	var doc struct {
		All []struct {
			Chain *struct{ Family, Table, Name, Type, Hook, Policy string }
			Rule  *struct {
				Family, Table, Chain string
				Expr                 []map[string]any
			}
			Set, Map *nftSet
		} `json:"nftables"`
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		return nil, fmt.Errorf("read what nft lists: %w", err)
	}
	r := &ruleset{chain: map[chainID]*nftChain{}, sets: map[chainID][]any{}}
	for _, x := range doc.All {
		switch {
		case x.Chain != nil:
			c := &nftChain{chainID: chainID{x.Chain.Family, x.Chain.Table, x.Chain.Name}, drops: x.Chain.Policy == "drop"}
			r.chain[c.chainID] = c
			if x.Chain.Type == "filter" && (x.Chain.Hook == "input" || x.Chain.Hook == "prerouting") && (c.family == "ip" || c.family == "inet") {
				r.base = append(r.base, c)
			}
		case x.Rule != nil:
			if c := r.chain[chainID{x.Rule.Family, x.Rule.Table, x.Rule.Chain}]; c != nil {
				c.rules = append(c.rules, x.Rule.Expr)
			}
		case x.Set != nil:
			r.sets[x.Set.id()] = x.Set.Elem
		case x.Map != nil:
			r.sets[x.Map.id()] = x.Map.Elem
		}
	}
	return r, nil
}

// inbound is the first packet of something that must reach the server.
type inbound struct {
	network     string // "udp" or "tcp"
	port        int
	device      string
	from        netip.Prefix // where its senders are
	established bool         // it belongs to a flow that this computer has begun
}

// fate is what may become of a packet: a set of bits.
type fate int

const (
	accepted fate = 1 << iota
	dropped
	undecided // by this chain
)

// fate is what the rules do with p, and the base chain that drops it, or may.
func (r *ruleset) fate(p inbound) (all fate, by *nftChain) {
	all = accepted
	w := passage{r, p, map[*nftChain]fate{}}
	for _, c := range r.base {
		f := w.through(c)
		if f&undecided != 0 {
			f = f &^ undecided
			if c.drops {
				f |= dropped
			} else {
				f |= accepted
			}
		}
		if f == dropped {
			return dropped, c
		}
		if f&dropped != 0 {
			all, by = all|dropped, c
		}
	}
	return all, by
}

// passage is the way of one packet through the rules.
type passage struct {
	*ruleset
	packet inbound
	seen   map[*nftChain]fate // of chains that it has been through, or is in
}

// through is what becomes of the packet in a chain. The kernel has no loops of
// chains; if there is one, anything may.
func (w passage) through(c *nftChain) (all fate) {
	if c == nil {
		return accepted | dropped
	}
	if f, ok := w.seen[c]; ok {
		return f
	}
	w.seen[c] = accepted | dropped
	defer func() { w.seen[c] = all }()
	for _, rule := range c.rules {
		match, f := w.rule(c, rule)
		if match == no || f == 0 {
			continue
		}
		all |= f &^ undecided
		if match == yes && f&undecided == 0 {
			return all
		}
	}
	return all | undecided
}

// truth is whether an expression matches.
type truth int

const (
	no truth = iota
	maybe
	yes
)

// rule is whether a rule matches, and what it then does; 0: nothing that
// decides.
func (w passage) rule(c *nftChain, rule []map[string]any) (truth, fate) {
	all := yes
	for _, e := range rule {
		for kind, v := range e {
			switch kind {
			case "match":
				all = min(all, w.match(c, object(v)))
			case "vmap":
				t, f := w.vmap(c, object(v))
				return min(all, t), f
			case "counter", "log", "comment", "mangle", "ct count":
			case "accept", "drop", "reject", "return", "jump", "goto", "queue":
				return all, w.verdict(c, kind, v)
			default: // iptables' own matches (xt), limits, meters
				all = min(all, maybe)
			}
			if all == no {
				return no, 0
			}
		}
	}
	return all, 0
}

func (w passage) verdict(c *nftChain, kind string, v any) fate {
	switch kind {
	case "accept":
		return accepted
	case "drop", "reject":
		return dropped
	case "jump", "goto":
		to, _ := object(v)["target"].(string)
		return w.through(w.chain[chainID{c.family, c.table, to}])
	case "queue":
		return accepted | dropped
	}
	return undecided // return
}

// vmap is a table of verdicts, looked up by one key.
func (w passage) vmap(c *nftChain, m map[string]any) (truth, fate) {
	best, all := no, fate(0)
	for _, x := range w.elements(c, m["data"]) {
		pair, ok := x.([]any)
		if !ok || len(pair) != 2 {
			return maybe, accepted | dropped
		}
		t := w.packet.compare(object(m["key"]), pair[0])
		if t == no {
			continue
		}
		best = max(best, t)
		for kind, v := range object(pair[1]) {
			all |= w.verdict(c, kind, v)
		}
	}
	return best, all
}

func (w passage) match(c *nftChain, m map[string]any) truth {
	best := no
	for _, x := range w.elements(c, m["right"]) {
		best = max(best, w.packet.compare(object(m["left"]), x))
	}
	if op := m["op"]; op == "!=" {
		return yes - best
	} else if op != "==" && op != "in" {
		return maybe
	}
	return best
}

// elements are the values that the right side of a match stands for.
func (r *ruleset) elements(c *nftChain, right any) []any {
	if name, ok := right.(string); ok && strings.HasPrefix(name, "@") {
		return r.sets[chainID{c.family, c.table, name}]
	}
	if set, ok := object(right)["set"].([]any); ok {
		return set
	}
	if list, ok := right.([]any); ok {
		return list
	}
	return []any{right}
}

// compare is whether what left names of p is right.
func (p inbound) compare(left map[string]any, right any) truth {
	if elem := object(object(right)["elem"]); elem != nil {
		right = elem["val"]
	}
	if meta := object(left["meta"]); meta != nil {
		switch meta["key"] {
		case "iifname", "iif":
			name, ok := right.(string)
			return is(ok && wildcard(name, p.device))
		case "l4proto":
			return is(right == p.network)
		case "nfproto", "protocol":
			return is(right == "ipv4" || right == "ip")
		}
		return maybe
	}
	if ct := object(left["ct"]); ct != nil && ct["key"] == "state" {
		return is(right == map[bool]string{true: "established", false: "new"}[p.established])
	}
	field := object(left["payload"])
	switch {
	case field == nil:
		return maybe
	case field["field"] == "dport" && (field["protocol"] == p.network || field["protocol"] == "th"):
		return within(p.port, right)
	case field["protocol"] == "udp" || field["protocol"] == "tcp":
		if field["protocol"] != p.network {
			return no
		}
		return maybe
	case field["protocol"] == "ip6" || field["protocol"] == "icmp" || field["protocol"] == "icmpv6":
		return no
	case field["protocol"] == "ip" && field["field"] == "protocol":
		return is(right == p.network)
	case field["protocol"] == "ip" && field["field"] == "saddr":
		return p.comesFrom(right)
	}
	return maybe
}

// comesFrom is whether all senders, or some, have addresses of right.
func (p inbound) comesFrom(right any) truth {
	var of netip.Prefix
	if prefix := object(object(right)["prefix"]); prefix != nil {
		text, _ := prefix["addr"].(string)
		bits, _ := prefix["len"].(float64)
		a, _ := netip.ParseAddr(text)
		of = netip.PrefixFrom(a, int(bits))
	} else if text, ok := right.(string); ok {
		a, _ := netip.ParseAddr(text)
		of = netip.PrefixFrom(a, 32)
	}
	switch {
	case !of.IsValid() || !p.from.IsValid():
		return maybe
	case of.Bits() <= p.from.Bits() && of.Contains(p.from.Addr()):
		return yes
	case of.Overlaps(p.from):
		return maybe
	}
	return no
}

func within(port int, right any) truth {
	if r, ok := object(right)["range"].([]any); ok && len(r) == 2 {
		first, _ := r[0].(float64)
		last, _ := r[1].(float64)
		return is(float64(port) >= first && float64(port) <= last)
	}
	if name, ok := right.(string); ok {
		return is(services[name] == port)
	}
	return is(right == float64(port))
}

// services are names that nft may print in place of ports (/etc/services).
var services = map[string]int{"bootps": 67, "tftp": 69, "http": 80, "iscsi-target": 3260}

// wildcard matches an interface's name, "br*" all that begin so.
func wildcard(pattern, name string) bool {
	if head, ok := strings.CutSuffix(pattern, "*"); ok {
		return strings.HasPrefix(name, head)
	}
	return pattern == name
}

func is(b bool) truth {
	if b {
		return yes
	}
	return no
}

func object(v any) map[string]any {
	m, _ := v.(map[string]any)
	return m
}
