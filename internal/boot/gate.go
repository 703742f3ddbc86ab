package boot

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

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

// Secret returns the CHAP secret of a user name.
func (s *Service) Secret(ctx context.Context, user string) (string, bool) {
	a, err := s.account(ctx, user)
	if err != nil {
		var old *inventory.StaleBootError
		if !notFound(err) && !errors.As(err, &old) {
			s.Log.Error("CHAP account could not be looked up", "user", user, "err", err)
		}
		return "", false
	}
	return a.secret, true
}

// Prove returns the name and the secret by which a target proves itself to a
// user. Boots of before there was mutual CHAP have none.
func (s *Service) Prove(ctx context.Context, user string) (name, secret string, ok bool) {
	a, err := s.account(ctx, user)
	if err != nil || a.reverse.Secret == "" {
		return "", "", false
	}
	return a.reverse.User, a.reverse.Secret, true
}

// Visible returns the names of the targets that user may open from where it is.
func (s *Service) Visible(ctx context.Context, in Initiator, user string) []string {
	a, err := s.account(ctx, user)
	if err != nil || a.seat != nil {
		return nil
	}
	m, err := s.Inventory.Machine(ctx, a.machine)
	if err != nil {
		return nil
	}
	if err := s.allowed(ctx, m, in, a.static); err != nil {
		s.LoginRefused(in, user, err.Error())
		return nil
	}
	return []string{s.Target(m.Name)}
}

// Admitted is a boot that may now hold its machine's disk, or what stands for one
// where static credentials do.
type Admitted struct {
	Boot    inventory.Boot
	Machine inventory.Machine
	Static  bool
	// Look is what a simulated machine may only look at; nil: it is none. Without
	// an ID it is the image of a volume that nobody has made.
	Look *inventory.Volume
}

// Admit makes the boot of an authenticated user its machine's current one. It
// refuses a boot older than the one that holds the disk.
func (s *Service) Admit(ctx context.Context, in Initiator, user string) (*Admitted, error) {
	a, err := s.account(ctx, user)
	if err != nil {
		return nil, err
	}
	if a.seat != nil {
		return s.admitSimulated(ctx, in, *a.seat)
	}
	m, err := s.Inventory.Machine(ctx, a.machine)
	if err != nil {
		return nil, err
	}
	if err := s.allowed(ctx, m, in, a.static); err != nil {
		return nil, err
	}
	if a.static != nil {
		return s.admitStatic(ctx, in, m, *a.static)
	}
	return s.admitBoot(ctx, m, user)
}

func (s *Service) admitBoot(ctx context.Context, m inventory.Machine, user string) (*Admitted, error) {
	b, err := s.Inventory.Boot(ctx, user)
	if err != nil {
		return nil, err
	}
	if b.Volume == "" {
		return nil, &Denied{Reason: fmt.Sprintf("boot %s has no disk: it never asked for its script, or its volume was removed, reset or rolled back meanwhile", b.ID)}
	}
	b, _, err = s.Inventory.Promote(ctx, b.ID)
	var old *inventory.StaleBootError
	if errors.As(err, &old) {
		return nil, denied("boot %s is over, a newer one has begun", old.Boot)
	}
	if err != nil {
		return nil, err
	}
	return &Admitted{Boot: b, Machine: m}, nil
}

// Forget removes the ephemeral disks of the machine's boots that are over, and
// those of updates that are. Their sessions must be gone. It finds what an
// earlier call was kept from, too.
func (s *Service) Forget(ctx context.Context, ad *Admitted) {
	ctx = context.WithoutCancel(ctx)
	volumes, err := s.Inventory.Volumes(ctx)
	if err != nil {
		s.Log.Error("volumes of ended boots could not be looked for", "machine", ad.Machine.Name, "err", err)
		return
	}
	// Not ad's machine: an update may have begun since, and its volume is among
	// these.
	m, err := s.Inventory.Machine(ctx, ad.Machine.Name)
	if err != nil {
		s.Log.Error("volumes of ended boots could not be looked for", "machine", ad.Machine.Name, "err", err)
		return
	}
	var over inventory.Superseded
	for _, v := range volumes {
		if v.Machine == m.Name && s.over(ctx, m, ad.Boot, v) {
			over.Volumes = append(over.Volumes, v)
		}
	}
	s.discard(ctx, over)
}

// over reports whether nobody will want v again, of the machine m whose boot b
// was let in.
func (s *Service) over(ctx context.Context, m inventory.Machine, b inventory.Boot, v inventory.Volume) bool {
	switch v.Mode {
	case inventory.Ephemeral:
		var old *inventory.StaleBootError
		_, err := s.Inventory.Boot(ctx, v.Boot)
		return errors.As(err, &old)
	case inventory.Updating:
		return v.ID != b.Volume && (m.Update == nil || m.Update.Volume != v.ID)
	}
	return false
}

// LoginRefused records a failed login under the machine whose target or account
// was tried, and says who holds the disk. What is tried again and again is
// recorded once a minute, with how often.
func (s *Service) LoginRefused(in Initiator, user, reason string) {
	a, err := s.account(context.Background(), user)
	if a.seat != nil {
		s.tickets.remark(a.seat, "login refused: "+reason)
		return
	}
	var old *inventory.StaleBootError
	if errors.As(err, &old) {
		reason = fmt.Sprintf("boot %s is over, a newer one has begun", old.Boot)
		s.haunts(old.Boot)
	}
	machine, ok := strings.CutPrefix(in.Target, s.IQNPrefix+":")
	if !ok {
		machine = a.machine
	}
	if a.static == nil { // else it says nothing of a boot
		s.loginRefused(in, cmp.Or(a.machine, machine), reason)
	}
	record := func(how string) { s.recordRefusal(in, user, machine, how+": "+reason) }
	again := func(more int) { record(fmt.Sprintf("refused %d more times within a minute", more)) }
	if s.refusals.first(refusal{in.Name, in.Target, reason}, in.Remote, again) {
		record("refused")
	}
}

func (s *Service) recordRefusal(in Initiator, user, machine, text string) {
	ctx := context.Background()
	s.Log.Warn("iscsi login refused", "initiator", in.Name, "target", in.Target, "remote", in.Remote, "user", user, "reason", text)
	if _, err := s.Inventory.Machine(ctx, machine); err != nil {
		return
	}
	if holder := s.holder(ctx, machine); !strings.Contains(text, holder) {
		text += "; " + holder
	}
	s.Recorder.Add(recorder.Event{Machine: machine, Level: recorder.Warn,
		Text:  fmt.Sprintf("login of %s from %s %s", in.Name, in.Remote, text),
		Attrs: map[string]string{"initiator": in.Name, "target": in.Target, "user": user}})
}

// holder says who holds a machine's disk, and since when.
func (s *Service) holder(ctx context.Context, machine string) string {
	owner, since := s.Targets.Holder(s.Target(machine))
	if _, err := s.Inventory.StaticOf(ctx, owner); err == nil {
		return fmt.Sprintf("static credentials hold the disk since %s", clock(since))
	}
	boots, err := s.Inventory.Boots(ctx, machine)
	if err != nil {
		return ""
	}
	for _, b := range boots {
		if b.Current {
			since := b.Held
			if since.IsZero() { // on record from before that was noted
				since = b.Created
			}
			return fmt.Sprintf("boot %s holds the disk since %s", b.ID, clock(since))
		}
	}
	return ""
}

// Session is how a boot has logged in.
type Session struct {
	Remote   netip.Addr
	Firmware bool // iPXE, and not the system that it loads
	Mutual   bool // it has asked the target to prove itself, too

	// How it has ended: in order, with nothing taken of what was sent to it, or with
	// pings that were not answered for so long.
	LoggedOut  bool
	Untaken    bool
	Unanswered time.Duration
}

// LoggedIn records that a session of b has opened the disk.
func (s *Service) LoggedIn(b inventory.Boot, by Session) {
	who, again, how, st := "the operating system", "", "", recorder.StageKernel
	switch {
	case b.Seq == 0:
		who, st = "static credentials", recorder.StageLogin
	case by.Firmware:
		who, st = "iPXE", recorder.StageLogin
	}
	if by.Mutual {
		how = ", by mutual CHAP"
	}
	if !st.After(s.stage(b)) {
		again, st = " again", ""
	}
	if !by.Firmware {
		s.HeardAgain(b)
	}
	if a := s.attempts.current(b.Machine); a != nil && a.id == b.ID {
		s.attempts.with(a, func() { a.loggedIn(by, s.now()) })
	}
	defer s.reopens(b)
	s.Progress(b, st, recorder.Info, fmt.Sprintf("%s opened the disk%s, from %s%s", who, again, by.Remote, how))
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
		if r.ID == Timeline(b) {
			return r.Stage
		}
	}
	return ""
}

// Progress records a step of a boot that its disk's sessions have shown.
func (s *Service) Progress(b inventory.Boot, st recorder.Stage, level recorder.Level, text string) {
	e := recorder.Event{Boot: Timeline(b), Machine: b.Machine, Stage: st, Level: level, Text: text}
	if a := s.attempts.current(b.Machine); a != nil && a.id == b.ID {
		s.attempts.reach(a, st)
		s.attempts.with(a, func() { e.MAC = a.mac })
		defer s.alive(a)
	}
	s.Recorder.Add(e)
}
