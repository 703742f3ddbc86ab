package boot

import (
	"bytes"
	"fmt"
	"net/netip"
	"path"
	"strings"

	"bootes.dev/internal/diagnose"
	"bootes.dev/internal/ipxe"
	"bootes.dev/internal/recorder"
)

// needs are what plans ask of iPXE, by the codes of its list of features
// (iPXE's ipxe/features.h).
var needs = []struct {
	code byte
	name string
}{
	{0x13, "HTTP"},  // scripts
	{0x11, "iSCSI"}, // disks
}

// lacks is what c's iPXE was built without and plans need. One that says
// nothing of its features is taken to have all.
func (c Client) lacks() string {
	var all []string
	for _, n := range needs {
		if len(c.Features) > 0 && bytes.IndexByte(c.Features, n.code) < 0 {
			all = append(all, n.name)
		}
	}
	return strings.Join(all, " and ")
}

// unmask finds iPXE whose marks something on the way has taken from its
// messages: it asks as only iPXE does, and the loader that it was given before
// has been fetched. Given it again, it would go on so for ever.
func (s *Service) unmask(subject string, c Client) Client {
	a := s.attempts.current(subject)
	if c.IPXE || !c.AsksAsIPXE || a == nil {
		return c
	}
	s.attempts.with(a, func() { c.IPXE = a.stage == recorder.StageLoader || a.unmasked })
	c.Unmasked = c.IPXE
	return c
}

const maxReloads = 2 // of one file by iPXE, beyond which it is a loop

// reloaded counts that iPXE, which should have asked for its script, has
// fetched a loader again.
func (a *attempt) reloaded(name string) {
	if a.stage != recorder.StageIPXE {
		return
	}
	if a.reloads == nil {
		a.reloads = map[string]int{}
	}
	if len(a.reloads) < 8 {
		a.reloads[name]++
	}
}

// loop is the script that ends a chain of loaders which would never end, "" as
// long as there is none.
func (s *Service) loop(a *attempt, name string) string {
	n, lacks := 0, ""
	s.attempts.with(a, func() {
		if a.stage == recorder.StageIPXE {
			n, lacks = a.reloads[name], a.lacks
		}
	})
	if n < maxReloads {
		return ""
	}
	why := fmt.Sprintf("it is told its script and loads %s all the same: another DHCP server names that file to iPXE, too", name)
	remedy := "have that server name it only to clients that are not iPXE"
	if lacks != "" {
		why, remedy = fmt.Sprintf("%s is iPXE without %s", name, lacks), "put a build of iPXE that has it into the first folder of loaders: in the config"
	}
	s.attempts.with(a, func() { a.seen.Loader.Chained = diagnose.Chained{Name: name, Times: n, Why: why, Remedy: remedy} })
	s.settle(a, &a.watch.due.settle)
	why += ". Remedy: " + remedy
	text := fmt.Sprintf("a loop is broken: iPXE has loaded %s %d times, and would for ever: %s", name, n, why)
	if s.sayOnce(a, recorder.Event{Level: recorder.Warn, Text: text}) {
		s.Log.Warn("chainload loop broken", "machine", a.subject, "loader", name, "reason", why)
	}
	return ipxe.Loop(a.subject, name, n, why)
}

// sendOn is the script for iPXE that was told its script and fetches a loader all
// the same, "" if this is not that: another DHCP server, one that cannot tell
// iPXE apart, has named the loader once more, and iPXE went by its word.
func (s *Service) sendOn(a *attempt, name string, local netip.Addr) string {
	c := Client{Server: local}
	s.attempts.with(a, func() {
		if a.stage == recorder.StageIPXE && a.lacks == "" {
			c.Interface = a.iface
		}
	})
	if ext := path.Ext(name); c.Interface == "" || ext != ".efi" && ext != ".kpxe" && ext != ".pxe" {
		return ""
	}
	s.sayOnce(a, recorder.Event{Text: fmt.Sprintf("iPXE asks for %s, which is what firmware is told (by another DHCP server, or by an OFFER of ours to its firmware): it is sent on to its script instead", name)})
	return ipxe.Chain("http://" + s.httpAddr(c) + "/ipxe/")
}

// autoexec is the script that newer builds of iPXE look for beside themselves
// before they do anything else. Those that are signed have no other.
func (s *Service) autoexec(a *attempt, local netip.Addr) string {
	c := Client{Server: local}
	mac := ""
	if a != nil {
		s.attempts.with(a, func() { c.Interface, mac = a.iface, a.mac })
	}
	return ipxe.Autoexec(mac, "http://"+s.httpAddr(c)+"/ipxe/")
}
