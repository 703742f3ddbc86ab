package boot

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"bootes.dev/internal/inventory"
	"bootes.dev/internal/recorder"
)

// Fetched is a loader that was sent, whole or in part, by TFTP or HTTP.
type Fetched struct {
	Name    string
	Proto   string // "TFTP" or "HTTP"
	Remote  netip.Addr
	Bytes   int64
	Took    time.Duration
	Aborted bool  // the client stopped by itself: UEFI asks for the size first
	Err     error // the transfer failed
}

// LoaderFetched records a loader's transfer and begins to listen for the
// silence that follows one that the firmware refuses to run.
func (s *Service) LoaderFetched(ctx context.Context, f Fetched) {
	if f.Aborted {
		return
	}
	a := s.attemptAt(ctx, f.Remote)
	if a == nil {
		s.Log.Debug("loader fetched by nobody known", "name", f.Name, "remote", f.Remote)
		return
	}
	if f.Err != nil {
		s.say(a, recorder.Event{Level: recorder.Warn, Stage: recorder.StageFirmware,
			Text: fmt.Sprintf("%s transfer of %s broke off after %d bytes: %v", f.Proto, f.Name, f.Bytes, f.Err)})
		return
	}
	s.attempts.reach(a, recorder.StageLoader)
	s.say(a, recorder.Event{Stage: recorder.StageLoader,
		Text: fmt.Sprintf("%s sent by %s, %d bytes in %s", f.Name, f.Proto, f.Bytes, f.Took.Round(time.Millisecond))})
	s.attempts.with(a, func() {
		a.stopTimer()
		a.silence = time.AfterFunc(s.Silence, func() { s.silent(a, f.Name) })
	})
}

// silent says why a loader that was fetched has not been heard of.
func (s *Service) silent(a *attempt, loader string) {
	var stuck bool
	var fw Firmware
	s.attempts.with(a, func() { stuck, fw = a.stage == recorder.StageLoader, a.firmware })
	if !stuck {
		return
	}
	text := fmt.Sprintf("%s was fetched, then silence for %s: it did not start, or found no network", loader, s.Silence)
	if fw.uefi() {
		text = fmt.Sprintf("%s was fetched, then silence for %s: most likely Secure Boot is on and the firmware refused the unsigned loader. "+
			"Remedy: switch Secure Boot off in the machine's firmware set-up", loader, s.Silence)
	}
	if s.sayOnce(a, recorder.Event{Level: recorder.Warn, Text: text}) {
		s.Log.Warn("loader fetched, then silence", "machine", a.subject, "loader", loader, "firmware", fw)
	}
}

// attemptAt returns the attempt of the machine that holds an address, or nil.
func (s *Service) attemptAt(ctx context.Context, addr netip.Addr) *attempt {
	mac, ok := s.Locate(ctx, addr)
	if !ok {
		return nil
	}
	m, err := s.Inventory.MachineByMAC(ctx, mac.String())
	if err != nil {
		m = inventory.Machine{Name: mac.String()}
	}
	return s.attempts.current(m.Name)
}
