package boot

import (
	"context"
	"fmt"

	"bootes.dev/internal/recorder"
)

// tellRefused records that a script was refused under the machine whose it was,
// and under the one that asked for it, if that is another.
func (s *Service) tellRefused(ctx context.Context, by Asker, err error) {
	a := s.attempts.byCard(by.MAC.String())
	s.tellOf(ctx, a, by, fmt.Sprintf("no script: %v", err))
	if other := s.attemptAt(ctx, by.Remote); other != nil && other != a {
		s.sayOnce(other, recorder.Event{Level: recorder.Warn, Text: fmt.Sprintf("asks for the script of %s, and gets none: %v", by.MAC, err)})
	}
}

// tellOf records a warning under a, or if that is nil under the machine that by's
// card is of, if it is one.
func (s *Service) tellOf(ctx context.Context, a *attempt, by Asker, text string) {
	e := recorder.Event{Level: recorder.Warn, Text: text}
	if a != nil {
		s.sayOnce(a, e)
		return
	}
	m, err := s.Inventory.MachineByMAC(ctx, by.MAC.String())
	if err != nil {
		return
	}
	e.Machine = m.Name
	if !s.Recorder.Repeat(e) {
		s.Recorder.Add(e)
	}
}
