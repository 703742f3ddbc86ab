package boot

import (
	"context"
	"net/netip"
	"path"
	"regexp"
	"strings"

	"bootes.dev/internal/loaders"
)

// File is what somebody who asks for a loader is sent.
type File struct {
	Name string // in the folders of loaders
	Text string // sent in its place, if there is any: a script for this machine
}

const autoexecName = "autoexec.ipxe"

// piPrefix is how a Raspberry Pi asks for its files at first: by its serial
// number, or its MAC address, as the folder.
var piPrefix = regexp.MustCompile(`^(?:[0-9a-f]{8}|(?:[0-9a-f]{2}-){5}[0-9a-f]{2})/`)

// File decides what remote is sent when it asks our address local for name. What
// is in the folders under just that name goes first.
func (s *Service) File(ctx context.Context, name string, remote, local netip.Addr) File {
	a := s.attemptAt(ctx, remote)
	if a != nil {
		s.asksFor(a, name, remote)
		if text := s.loop(a, name); text != "" {
			return File{Name: name, Text: text}
		}
		if text := s.sendOn(a, name, local); text != "" {
			return File{Name: name, Text: text}
		}
		if second := s.besideLoader(a, name); second != "" {
			return File{Name: second}
		}
	}
	if _, ok := s.Loaders.Has(name); ok {
		return File{Name: name}
	}
	if path.Base(name) == autoexecName {
		return File{Name: name, Text: s.autoexec(a, local)}
	}
	return File{Name: s.piFile(a, name)}
}

// besideLoader is the file of the folder that a's loader came from: shims that
// were not told their own name ask for their second stage at the top.
func (s *Service) besideLoader(a *attempt, name string) string {
	var loader string
	s.attempts.with(a, func() { loader = a.loader })
	beside := path.Join(path.Dir(loader), name)
	if _, ok := s.Loaders.Has(beside); !loaders.IsShim(loader) || strings.Contains(name, "/") || !ok {
		return ""
	}
	return beside
}

// piFile is where a Raspberry Pi's file is: all of them share one folder, but
// for what is in rpi/ under a serial number or a MAC address.
func (s *Service) piFile(a *attempt, name string) string {
	var fw loaders.Firmware
	if a != nil {
		s.attempts.with(a, func() { fw = a.firmware })
	}
	prefix := piPrefix.FindString(name)
	if fw != loaders.RaspberryPi && prefix == "" {
		return name
	}
	for _, try := range []string{path.Join("rpi", name), path.Join("rpi", strings.TrimPrefix(name, prefix))} {
		if _, ok := s.Loaders.Has(try); ok {
			return try
		}
	}
	return name
}
