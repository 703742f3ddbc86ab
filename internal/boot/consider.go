package boot

import (
	"context"
	"fmt"
	"time"

	"bootes.dev/internal/inventory"
	"bootes.dev/internal/recorder"
)

// consider finds out whose script is asked for, by all that is known of who asks.
func (s *Service) consider(ctx context.Context, by Asker) (verdict, error) {
	a := s.attempts.byCard(by.MAC.String())
	var h inventory.Hardware
	var asked bool
	if a != nil {
		s.attempts.with(a, func() { h, asked = a.hardware, a.asked })
	}
	if by.Facts.Has("facts") && !by.Facts.Has("report") {
		if err := s.checkHolder(ctx, "script of "+by.MAC.String(), by, []string{by.MAC.String()}); err != nil {
			return verdict{}, err
		}
		told := hardware(by.Facts)
		if told.UUID == "" {
			told.UUID = h.UUID
		}
		h, asked = told, true
		if a != nil {
			s.attempts.with(a, func() { a.hardware, a.asked = h, true })
		}
	}
	return s.whose(ctx, by.MAC, h, asked)
}

// own returns the attempt for which v's machine may have its script now, or nil.
// That of a stranger which has become this machine meanwhile goes on as one of
// the machine's boots.
func (s *Service) own(ctx context.Context, v verdict, by Asker) (*attempt, error) {
	name, card := v.machine.Name, by.MAC.String()
	if a := s.attempts.scripted(name, s.now()); a != nil {
		mine := false
		s.attempts.with(a, func() { mine = a.mac == card || !v.byHardware && !a.byHardware })
		if mine {
			return a, nil
		}
	}
	old := s.attempts.byCard(card)
	if old == nil || old.subject == name || s.attempts.scripted(old.subject, s.now()) != old {
		return nil, nil
	}
	if !s.attempts.part(name, card, v.byHardware, s.now()) {
		return nil, nil
	}
	a, err := s.take(ctx, name, true, by.MAC, ipxeAsks)
	if err != nil {
		return nil, err
	}
	var waited time.Duration
	s.attempts.forget(old)
	s.attempts.seen(a, card, func() {
		a.iface, a.firmware, a.addressed = old.iface, old.firmware, old.addressed
		a.hardware, a.asked, a.byHardware = old.hardware, old.asked, v.byHardware
		waited = s.now().Sub(old.opened)
	})
	s.attempts.reach(a, recorder.StageIPXE)
	text := fmt.Sprintf("it was taken for %s, and is %s", old.subject, name)
	if old.subject == card {
		text = fmt.Sprintf("it began to start %s ago as an unknown machine, and is %s now", waited.Round(time.Second), name)
	}
	s.sayOnce(a, recorder.Event{Stage: recorder.StageIPXE, Text: text})
	return a, nil
}

// sure refuses a machine's disk to a computer that may not be that machine, and
// tells of what does not fit.
func (s *Service) sure(ctx context.Context, a *attempt, v verdict) error {
	if v.byHardware {
		s.sayOnce(a, recorder.Event{Text: fmt.Sprintf("known by its UUID or serial number: its network card is not one of %s", v.machine.Name)})
	}
	if v.doubt != "" && s.sayOnce(a, recorder.Event{Level: recorder.Warn, Text: v.doubt}) {
		s.Log.Warn("hardware is not that of the machine", "machine", v.machine.Name, "reason", v.doubt)
	}
	err := s.vacant(ctx, v)
	if v.not && err == nil {
		err = fmt.Errorf("%s", v.doubt)
	}
	if err != nil {
		s.sayOnce(a, recorder.Event{Level: recorder.Warn, Text: fmt.Sprintf("no script: %v", err)})
		return err
	}
	if v.doubt == "" && !v.byHardware && v.machine.SystemUUID() == "" {
		s.learnUUID(ctx, a, v.machine.Name)
	}
	return nil
}

// learnUUID keeps what a machine has said by DHCP.
func (s *Service) learnUUID(ctx context.Context, a *attempt, machine string) {
	var u string
	s.attempts.with(a, func() { u = a.hardware.UUID })
	if u == "" {
		return
	}
	if _, err := s.Inventory.Learn(ctx, machine, inventory.Hardware{UUID: u}); err != nil {
		s.Log.Error("UUID could not be kept", "machine", machine, "err", err)
	}
}

// report is where a machine of which little is known says what it is; "" if that
// is known.
func (s *Service) report(m inventory.Machine, a *attempt, by Asker) string {
	if h := m.Hardware; h.Product != "" || h.Serial != "" || h.Memory != 0 || h.NIC != "" {
		return ""
	}
	return s.ownURL(a, by)
}

// learn keeps what a machine has said of itself while it boots, unless it may be
// another one. Once its system runs, anybody there could say anything.
func (s *Service) learn(ctx context.Context, v verdict, by Asker) error {
	if v.byHardware || v.doubt != "" || s.attempts.scripted(v.machine.Name, s.now()) == nil {
		return nil
	}
	h := hardware(by.Facts)
	if a := s.attempts.byCard(by.MAC.String()); a != nil && h.UUID == "" {
		s.attempts.with(a, func() { h.UUID = a.hardware.UUID })
	}
	_, err := s.Inventory.Learn(ctx, v.machine.Name, h)
	return err
}
