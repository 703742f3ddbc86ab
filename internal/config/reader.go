package config

import (
	"fmt"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// reader walks the tree and gathers faults.
type reader struct {
	name   string
	faults Faults
}

// value is a node and the key path that leads to it.
type value struct {
	key  string
	node ast.Node // nil: nothing stands there
	at   ast.Node // what to point at; node itself, or its key when it is empty
}

func (v value) empty() bool { return v.node == nil || v.node.Type() == ast.NullType }

// fields are the keys that a block may have, and what reads each.
type fields map[string]func(value)

func (r *reader) fault(v value, what, right string, args ...any) {
	line, col := place(v.at)
	r.faults = append(r.faults, Fault{
		File: r.name, Line: line, Column: col, Key: v.key,
		What: what, Right: fmt.Sprintf(right, args...),
	})
}

// block reads a mapping. An empty one is allowed: all of its keys may be
// commented out.
func (r *reader) block(v value, known fields) {
	if v.empty() {
		return
	}
	pairs, ok := pairs(v.node)
	if !ok {
		r.fault(v, "is "+kind(v.node), "write a block of keys: %s", list(known))
		return
	}
	seen := map[string]int{}
	for _, p := range pairs {
		name := p.Key.GetToken().Value
		sub := value{key: join(v.key, name), node: p.Value, at: p.Value}
		if sub.empty() {
			sub.at = p.Key
		}
		key := value{key: v.key, at: p.Key}
		line, _ := place(p.Key)
		read := known[name]
		switch first, twice := seen[name]; {
		case read == nil:
			r.fault(key, fmt.Sprintf("unknown key %q", name), "%s", suggest(name, known))
		case twice:
			r.fault(key, fmt.Sprintf("key %q is here a second time", name), "the first is in line %d: keep one", first)
		default:
			seen[name] = line
			read(sub)
		}
	}
}

// list reads a sequence.
func (r *reader) list(v value, right string, item func(value)) {
	if v.empty() {
		return
	}
	seq, ok := v.node.(*ast.SequenceNode)
	if !ok {
		r.fault(v, "is "+kind(v.node), "%s", right)
		return
	}
	for i, n := range seq.Values {
		item(value{key: fmt.Sprintf("%s[%d]", v.key, i), node: n, at: n})
	}
}

// text reads any scalar as it is written.
func (r *reader) text(v value, right string) (string, bool) {
	if v.empty() {
		r.fault(v, "is empty", "%s, or take the line out", right)
		return "", false
	}
	switch n := v.node.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return n.GetToken().Value, true
	case *ast.AnchorNode, *ast.AliasNode, *ast.TagNode:
		r.fault(v, "anchors, aliases and tags are not read here", "write the value out")
		return "", false
	}
	r.fault(v, "is "+kind(v.node), "%s", right)
	return "", false
}

func pairs(n ast.Node) ([]*ast.MappingValueNode, bool) {
	switch n := n.(type) {
	case *ast.MappingNode:
		return n.Values, true
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}, true
	}
	return nil, false
}

func join(path, name string) string {
	return strings.TrimPrefix(path+"."+name, ".")
}
