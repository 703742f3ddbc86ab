package config

import (
	"fmt"
	"slices"

	"github.com/goccy/go-yaml/ast"
)

// folders reads one path, or a list of them.
func (r *reader) folders(dst *[]string) func(value) {
	return func(v value) {
		var all []string
		one := func(v value) {
			var path string
			r.path(&path, 0)(v)
			switch {
			case path == "":
			case slices.Contains(all, path):
				r.fault(v, fmt.Sprintf("folder %s is here a second time", path), "take it out")
			default:
				all = append(all, path)
			}
		}
		if seq, ok := v.node.(*ast.SequenceNode); !ok {
			one(v)
		} else if len(seq.Values) == 0 {
			r.fault(v, "names no folder", "write one that has undionly.kpxe or snponly.efi, such as /usr/lib/ipxe")
		} else {
			r.list(v, "", one)
		}
		if len(all) > 0 {
			*dst = all
		}
	}
}
