package doctor

import (
	"encoding/json"
	"fmt"
)

// ruleset is what `nft -j list ruleset` tells (libnftables-json(5)), as far as
// it decides what reaches this computer.
type ruleset struct {
	base  []*nftChain // those that packets to this computer come by
	other []*nftChain // those that drop by themselves what this computer sends, or ARP
	chain map[chainID]*nftChain
	sets  map[chainID][]any // and maps
}

// chainID names a chain, or a set.
type chainID struct{ family, table, name string }

type nftChain struct {
	chainID
	drops bool // what no rule decides
	nat   bool // it sees the first packet of each flow, and none while nobody tracks flows
	rules [][]map[string]any

	frames  bool     // it is asked for frames as they come in, by an interface or by a port of it
	devices []string // by these alone; nil: nft does not say
}

// legacy is the family of chains of the iptables from before nftables, of which
// nft knows nothing.
const legacy = "legacy"

// hook takes note of a base chain that packets to this computer come by.
func (r *ruleset) hook(c *nftChain, hook string) {
	c.frames = c.family == "netdev" || c.family == "bridge" || hook == "ingress"
	in := hook == "input" || hook == "prerouting" || hook == "ingress"
	switch {
	case hook == "", hook == "forward", c.family == "ip6":
	case in && c.family != "arp":
		r.base = append(r.base, c)
	case c.drops:
		r.other = append(r.other, c)
	}
}

// words are those of one, or of a list.
func words(v any) (all []string) {
	if one, ok := v.(string); ok {
		return []string{one}
	}
	list, _ := v.([]any)
	for _, x := range list {
		if one, ok := x.(string); ok {
			all = append(all, one)
		}
	}
	return all
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
			Chain *struct {
				Family, Table, Name, Type, Hook, Policy string
				Dev                                     any
			}
			Rule *struct {
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
			c.nat, c.devices = x.Chain.Type == "nat", words(x.Chain.Dev)
			r.chain[c.chainID] = c
			r.hook(c, x.Chain.Hook)
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

func object(v any) map[string]any {
	m, _ := v.(map[string]any)
	return m
}
