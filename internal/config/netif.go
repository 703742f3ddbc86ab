package config

import (
	"fmt"
	"net"
	"strings"
)

// NeedInterfaces returns the complaint about a config that names no
// interface. present are those of this computer, as net.Interfaces has them:
// the message names what could be written.
func (c *Config) NeedInterfaces(present []net.Interface) error {
	if len(c.Interfaces) > 0 {
		return nil
	}
	names := usable(present)
	if len(names) == 0 {
		return fmt.Errorf("%s names no interface to serve, and this computer has none but loopback", c.File)
	}
	return fmt.Errorf("%s names no interface to serve; this computer has %s: write\ninterfaces:\n  - name: %s",
		c.File, strings.Join(names, ", "), names[0])
}

// MissingInterface returns the complaint about entry i, whose interface this
// computer does not have.
func (c *Config) MissingInterface(i Interface, present []net.Interface) error {
	has := "none but loopback"
	if names := usable(present); len(names) > 0 {
		has = strings.Join(names, ", ")
	}
	return Fault{
		File: c.File, Line: i.Line, Column: i.Column, Key: "interfaces",
		What: fmt.Sprintf("there is no interface %q", i.Name), Right: "this computer has " + has,
	}
}

func usable(present []net.Interface) (names []string) {
	for _, i := range present {
		if i.Flags&net.FlagLoopback == 0 {
			names = append(names, i.Name)
		}
	}
	return names
}
