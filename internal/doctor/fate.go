package doctor

import (
	"slices"
	"strings"
)

// fate is what may become of a packet: a set of bits.
type fate int

const (
	accepted fate = 1 << iota
	dropped
	redirected // to somewhere else than the port that it is for
	undecided  // by this chain
	returned   // from this chain
)

// then is what becomes of a packet that f and then g decide of.
func (f fate) then(g fate) fate {
	switch {
	case f&accepted == 0:
		return f
	case g&accepted == 0:
		return g
	}
	return f | g
}

// fate is what the rules do with p, and the base chain by which it does not
// arrive, or may not.
func (r *ruleset) fate(p inbound) (all fate, by *nftChain) {
	all = accepted
	for _, c := range r.base {
		f := r.fateAt(c, p)
		if all = all.then(f); f != accepted {
			by = c
		}
		if all&accepted == 0 {
			break
		}
	}
	return all, by
}

// fateAt is what a base chain does with p. As a frame it comes in by a port of
// its interface, if that is a bridge, and then by that itself, which bridge's own
// chains do not see.
func (r *ruleset) fateAt(c *nftChain, p inbound) fate {
	switch {
	case c.nat && p.established:
		return accepted
	case c.nat:
		if f := r.through(c, p); f&dropped == 0 {
			return f
		}
		return accepted | dropped
	case !c.frames:
		return r.through(c, p)
	}
	at, in := accepted, fate(0)
	if c.family != "bridge" {
		at = r.frame(c, p, p.device)
	}
	for _, port := range p.ports {
		in |= r.frame(c, p, port)
	}
	if in == 0 {
		return at
	}
	return in.then(at)
}

// frame is what c does with p as a frame that comes in by device.
func (r *ruleset) frame(c *nftChain, p inbound, device string) fate {
	if c.devices != nil && !slices.Contains(c.devices, device) {
		return accepted
	}
	p.device = device
	f := r.through(c, p)
	if c.devices == nil && c.family != "bridge" { // nft 1.0.6 does not say which
		f |= accepted
	}
	return f
}

// through is what a base chain does with p where it sees it.
func (r *ruleset) through(c *nftChain, p inbound) fate {
	f := passage{r, p, map[*nftChain]fate{}}.through(c)
	switch {
	case f&undecided == 0:
		return f
	case c.drops:
		return f&^undecided | dropped
	}
	return f&^undecided | accepted
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
		all |= f &^ (undecided | returned)
		if f&returned != 0 {
			all |= undecided
		}
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
			case "accept", "drop", "reject", "return", "jump", "goto", "queue", "redirect", "dnat", "tproxy", "fwd":
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
		f := w.through(w.chain[chainID{c.family, c.table, to}])
		if kind == "goto" && f&undecided != 0 {
			return f&^undecided | returned
		}
		return f
	case "queue":
		return accepted | dropped
	case "redirect", "dnat", "tproxy", "fwd":
		return w.packet.sent(kind, object(v))
	}
	return returned
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
