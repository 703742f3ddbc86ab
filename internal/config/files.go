package config

import (
	"fmt"
	"regexp"
)

// TFTP is how loaders are sent by TFTP.
type TFTP struct {
	SinglePort bool // answer from the port that was asked, not from others
}

// HTTP is what is served by HTTP beside scripts and loaders.
type HTTP struct {
	Mirrors map[string]string // folders, by their name under /files/
}

func (r *reader) tftp(t *TFTP) func(value) {
	return func(v value) { r.block(v, fields{"single_port": r.flag(&t.SinglePort)}) }
}

func (r *reader) http(h *HTTP) func(value) {
	return func(v value) { r.block(v, fields{"mirrors": r.mirrors(&h.Mirrors)}) }
}

// mirrorForm is a part of a URL that nobody has to escape, and no "." or "..".
var mirrorForm = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,62}$`)

// mirrors reads a block whose keys are the operator's own.
func (r *reader) mirrors(dst *map[string]string) func(value) {
	return func(v value) {
		if v.empty() {
			return
		}
		all, ok := pairs(v.node)
		if !ok {
			r.fault(v, "is "+kind(v.node), "write a line NAME: FOLDER for each mirror")
			return
		}
		*dst = map[string]string{}
		for _, p := range all {
			name := p.Key.GetToken().Value
			key := value{key: v.key, at: p.Key}
			folder := value{key: join(v.key, name), node: p.Value, at: p.Value}
			if folder.empty() {
				folder.at = p.Key
			}
			switch _, twice := (*dst)[name]; {
			case !mirrorForm.MatchString(name):
				r.fault(key, fmt.Sprintf("%q is no name of a mirror", name), "write lower-case letters, digits, dots and dashes, such as debian")
			case twice:
				r.fault(key, fmt.Sprintf("mirror %q is here a second time", name), "keep one")
			default:
				var path string
				r.path(&path, 0)(folder)
				(*dst)[name] = path
			}
		}
	}
}
