package boot

import (
	"fmt"
	"net/netip"
	"time"

	"bootes.dev/internal/recorder"
)

// ProxyOffered notes that a machine's firmware was told by a proxy's offer what
// to boot, and begins to listen for the silence of one that goes past it.
func (s *Service) ProxyOffered(machine string) {
	a := s.attempts.current(machine)
	if a == nil {
		return
	}
	s.attempts.with(a, func() {
		if a.stage != recorder.StageFirmware {
			return
		}
		a.stopTimer()
		a.silence = time.AfterFunc(s.Silence, func() { s.ignored(a) })
	})
}

// TookAddress notes that a machine takes the address that another DHCP server
// offers it.
func (s *Service) TookAddress(machine string, from netip.Addr) {
	if a := s.attempts.current(machine); a != nil {
		s.attempts.with(a, func() { a.took = from })
	}
}

// ignored says why a machine has not come for what it was told to boot.
func (s *Service) ignored(a *attempt) {
	var stuck bool
	var from netip.Addr
	s.attempts.with(a, func() { stuck, from = a.stage == recorder.StageFirmware, a.took })
	if !stuck {
		return
	}
	text := fmt.Sprintf("it was told what to boot, and for %s has not come for it, nor taken an address: "+
		"no DHCP server has one for it. Remedy: `bootes dhcp-status` shows who answers there", s.Silence)
	if from.IsValid() {
		text = fmt.Sprintf("it has an address from DHCP server %s, and for %s has not come for what it was told to boot: its firmware ignores proxies, "+
			"or a switch keeps our offers from it (DHCP snooping). Remedy: tell that server what to boot, as `bootes dhcp-snippet` prints it", from, s.Silence)
	}
	if s.sayOnce(a, recorder.Event{Level: recorder.Warn, Text: text}) {
		s.Log.Warn("the proxy's offer was of no use", "machine", a.subject, "address_from", from)
	}
}
