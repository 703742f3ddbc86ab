package config

import (
	"fmt"
	"regexp"

	"github.com/goccy/go-yaml/ast"
)

// sunPath is the longest path of a unix socket: 108 bytes with the final zero.
const sunPath = 107

// config reads the whole file.
func (r *reader) config(root ast.Node, c *Config) {
	var ports, metrics value
	r.block(value{node: root, at: root}, fields{
		"data":       r.path(&c.Data, 0),
		"loaders":    r.folders(&c.Loaders),
		"iqn_prefix": r.iqn(&c.IQNPrefix),
		"api":        r.api(&c.API),
		"ports":      func(v value) { ports = v; r.ports(v, &c.Ports) },
		"tftp":       r.tftp(&c.TFTP),
		"http":       r.http(&c.HTTP),
		"auth":       func(v value) { r.block(v, fields{"mutual": r.flag(&c.Auth.Mutual)}) },
		"metrics":    func(v value) { metrics = v; r.listen(&c.Metrics)(v) },
		"log":        func(v value) { r.block(v, fields{"level": r.level(&c.Log.Level), "slow_io": r.slow(&c.Log.SlowIO)}) },
		"limits":     r.limits(&c.Limits),
		"interfaces": r.interfaces(&c.Interfaces),
	})
	if c.Ports.HTTP == c.Ports.ISCSI {
		r.fault(ports, fmt.Sprintf("http and iscsi both have %d", c.Ports.HTTP), "give each a port of its own")
	}
	switch port := int(c.Metrics.Port()); port {
	case c.Ports.HTTP:
		r.fault(metrics, fmt.Sprintf("port %d is that of ports.http", port), "give each a port of its own")
	case c.Ports.ISCSI:
		r.fault(metrics, fmt.Sprintf("port %d is that of ports.iscsi", port), "give each a port of its own")
	}
}

func (r *reader) api(a *API) func(value) {
	return func(v value) {
		r.block(v, fields{
			"socket": r.path(&a.Socket, sunPath-len(".new")),
			"group":  r.group(&a.Group),
		})
	}
}

func (r *reader) ports(v value, p *Ports) {
	r.block(v, fields{"http": r.port(&p.HTTP), "tftp": r.port(&p.TFTP), "iscsi": r.port(&p.ISCSI)})
}

func (r *reader) limits(l *Limits) func(value) {
	return func(v value) {
		r.block(v, fields{"min_free": r.space(&l.MinFree), "volume": r.size(&l.Volume), "warn": r.percent(&l.Warn)})
	}
}

// iqnForm is RFC 7143, 4.2.7.4 and RFC 3722: the month in which the owner held
// the domain, the domain backwards, and what the owner likes; lower case.
var iqnForm = regexp.MustCompile(`^iqn\.[0-9]{4}-(0[1-9]|1[0-2])(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+(:[a-z0-9.:-]*[a-z0-9])?$`)

// maxIQN leaves room for ":init:" and a host name of 63 in the 223 bytes of
// an iSCSI name.
const maxIQN = 223 - 6 - 63

func (r *reader) iqn(dst *string) func(value) {
	const right = "write iqn.YEAR-MONTH. and your domain backwards, in lower case, such as iqn.2026-01.org.example"
	return func(v value) {
		s, ok := r.text(v, right)
		switch {
		case !ok:
		case !iqnForm.MatchString(s):
			r.fault(v, fmt.Sprintf("%q is no iSCSI qualified name", s), right)
		case len(s) > maxIQN:
			r.fault(v, fmt.Sprintf("the name is %d bytes long", len(s)), "at most %d leave room for the machine's name", maxIQN)
		default:
			*dst = s
		}
	}
}

// groupForm is what Debian's groupadd takes.
var groupForm = regexp.MustCompile(`^[a-z_][a-z0-9_-]{0,31}$`)

func (r *reader) group(dst *string) func(value) {
	const right = "write the name of a group, or root to let in root alone"
	return func(v value) {
		s, ok := r.text(v, right)
		if !ok {
			return
		}
		if !groupForm.MatchString(s) {
			r.fault(v, fmt.Sprintf("%q is no group name", s), right)
			return
		}
		*dst = s
	}
}
