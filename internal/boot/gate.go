package boot

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"bootes.dev/internal/inventory"
	"bootes.dev/internal/recorder"
)

// Initiator is who logs in to the iSCSI target. Target is empty in a discovery
// session.
type Initiator struct {
	Name   string
	Target string
	Remote netip.Addr
}

// Denied is the refusal of an initiator that has proved who it is.
type Denied struct{ Reason string }

func (d *Denied) Error() string { return d.Reason }

// Secret returns the CHAP secret of a user name. Only a boot's own initiator
// has an account, and only at its own machine's target.
func (s *Service) Secret(ctx context.Context, in Initiator, user string) (string, bool) {
	b, err := s.Inventory.Boot(ctx, user)
	if err != nil {
		var old *inventory.StaleBootError
		if !notFound(err) && !errors.As(err, &old) {
			s.Log.Error("CHAP account could not be looked up", "user", user, "err", err)
		}
		return "", false
	}
	if in.Name != s.initiator(b.Machine) || (in.Target != "" && in.Target != s.target(b.Machine)) {
		return "", false
	}
	return b.Secret, true
}

// Visible returns the names of the targets that user may open.
func (s *Service) Visible(ctx context.Context, user string) []string {
	b, err := s.Inventory.Boot(ctx, user)
	if err != nil {
		return nil
	}
	return []string{s.target(b.Machine)}
}

// Admitted is a boot that may now hold its machine's disk.
type Admitted struct {
	Boot       inventory.Boot
	Machine    inventory.Machine
	superseded inventory.Superseded
}

// Admit makes the boot of an authenticated user its machine's current one. It
// refuses a boot older than the one that holds the disk.
func (s *Service) Admit(ctx context.Context, in Initiator, user string) (*Admitted, error) {
	b, err := s.Inventory.Boot(ctx, user)
	if err != nil {
		return nil, err
	}
	m, err := s.Inventory.Machine(ctx, b.Machine)
	if err != nil {
		return nil, err
	}
	b, superseded, err := s.Inventory.Promote(ctx, b.ID)
	var old *inventory.StaleBootError
	if errors.As(err, &old) {
		return nil, &Denied{Reason: fmt.Sprintf("boot %s is over: the newer boot %s holds the disk", old.Boot, old.Current)}
	}
	if err != nil {
		return nil, err
	}
	return &Admitted{Boot: b, Machine: m, superseded: superseded}, nil
}

// Forget removes the ephemeral disks of the boots that ad has ended. Their
// sessions must be gone.
func (s *Service) Forget(ctx context.Context, ad *Admitted) {
	s.discard(ctx, ad.superseded)
}

// LoginRefused records a failed login: with the machine, if the target is
// one's, or under the address it came from.
func (s *Service) LoginRefused(in Initiator, user, reason string) {
	var old *inventory.StaleBootError
	if _, err := s.Inventory.Boot(context.Background(), user); errors.As(err, &old) {
		reason = fmt.Sprintf("boot %s is over: the newer boot %s holds the disk", old.Boot, old.Current)
	}
	e := recorder.Event{Level: recorder.Warn,
		Text:  fmt.Sprintf("login of %s from %s refused: %s", in.Name, in.Remote, reason),
		Attrs: map[string]string{"initiator": in.Name, "target": in.Target, "user": user}}
	s.Log.Warn("iscsi login refused", "initiator", in.Name, "target", in.Target, "remote", in.Remote, "user", user, "reason", reason)
	machine, ok := strings.CutPrefix(in.Target, s.IQNPrefix+":")
	if !ok {
		return
	}
	if _, err := s.Inventory.Machine(context.Background(), machine); err != nil {
		return
	}
	e.Machine = machine
	if a := s.attempts.current(machine); a != nil {
		e.MAC = a.mac
	}
	s.Recorder.Add(e)
}

// LoggedIn records that a session of b has opened the disk: the firmware's,
// through iPXE, or the operating system's own.
func (s *Service) LoggedIn(b inventory.Boot, remote netip.Addr, firmware bool) {
	who, st := "the operating system", recorder.StageKernel
	if firmware {
		who, st = "iPXE", recorder.StageLogin
	}
	if st.After(s.stage(b)) {
		s.Progress(b, st, recorder.Info, fmt.Sprintf("%s opened the disk, from %s", who, remote))
		return
	}
	s.Progress(b, "", recorder.Info, fmt.Sprintf("%s opened the disk again, from %s", who, remote))
}

// Reach records that b has come to a stage, once.
func (s *Service) Reach(b inventory.Boot, st recorder.Stage, text string) {
	if st.After(s.stage(b)) {
		s.Progress(b, st, recorder.Info, text)
	}
}

// stage is how far b has come, also before the server was last started.
func (s *Service) stage(b inventory.Boot) (st recorder.Stage) {
	if a := s.attempts.current(b.Machine); a != nil && a.id == b.ID {
		s.attempts.with(a, func() { st = a.stage })
		return st
	}
	for _, r := range s.Recorder.Boots(b.Machine) {
		if r.ID == b.ID {
			return r.Stage
		}
	}
	return ""
}

// Progress records a step of a boot that its disk's sessions have shown.
func (s *Service) Progress(b inventory.Boot, st recorder.Stage, level recorder.Level, text string) {
	e := recorder.Event{Boot: b.ID, Machine: b.Machine, Stage: st, Level: level, Text: text}
	if a := s.attempts.current(b.Machine); a != nil && a.id == b.ID {
		s.attempts.reach(a, st)
		e.MAC = a.mac
	}
	s.Recorder.Add(e)
}
