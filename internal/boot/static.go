package boot

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"bootes.dev/internal/inventory"
	"bootes.dev/internal/ipxe"
	"bootes.dev/internal/recorder"
)

// Targets is what the service asks about sessions. Owners are boots, or the CHAP
// names of static credentials.
type Targets interface {
	// Holder is the owner of the sessions that a target has, and since when the
	// oldest is there; "" if there are none.
	Holder(target string) (owner string, since time.Time)
	// Alive is Holder, of systems' own sessions only and once it was seen whether
	// their machine is still there, which takes seconds. Of firmware's nobody
	// can tell.
	Alive(ctx context.Context, target string) (owner string, since time.Time)
}

// noTargets have no sessions.
type noTargets struct{}

func (noTargets) Holder(string) (string, time.Time)                 { return "", time.Time{} }
func (noTargets) Alive(context.Context, string) (string, time.Time) { return "", time.Time{} }

// account is what a CHAP name stands for: a boot, or static credentials.
type account struct {
	machine string
	secret  string
	reverse inventory.Reverse
	static  *inventory.Static // nil: a boot's
	seat    *seat             // of a simulation; nil: of none
}

// account finds a CHAP name; errors are those of Inventory.Boot.
func (s *Service) account(ctx context.Context, user string) (account, error) {
	if at, ok := s.tickets.user(user, s.now()); ok {
		return account{machine: at.boot.Machine, secret: at.boot.Secret, reverse: at.boot.Reverse, seat: &at}, nil
	}
	if st, err := s.Inventory.StaticOf(ctx, user); err == nil {
		return account{machine: st.Machine, secret: st.Secret, reverse: st.Reverse, static: &st}, nil
	} else if !notFound(err) {
		return account{}, err
	}
	b, err := s.Inventory.Boot(ctx, user)
	return account{machine: b.Machine, secret: b.Secret, reverse: b.Reverse}, err
}

// admitStatic lets static credentials hold the disk that the machine's next boot
// would have, unless a boot of the machine starts or runs from it. Whoever held it
// before will not come back to it: it may be another disk then.
func (s *Service) admitStatic(ctx context.Context, in Initiator, m inventory.Machine, st inventory.Static) (*Admitted, error) {
	if m.Mode == inventory.Ephemeral {
		return nil, denied("%s is ephemeral, and static credentials are for a disk that is kept: `bootes machine set %s --persistent` makes it so", m.Name, m.Name)
	}
	if owner, _ := s.Targets.Holder(in.Target); owner == st.User {
		return &Admitted{Boot: staticBoot(st), Machine: m, Static: true}, nil
	}
	if owner, since := s.Targets.Alive(ctx, in.Target); owner != "" && owner != st.User {
		return nil, denied("the system that boot %s has started runs from the disk since %s: switch %s off first", owner, clock(since), m.Name)
	}
	if s.starting(m.Name, in.Remote) {
		return nil, denied("%s, and starts from it: switch %s off first", s.holder(ctx, m.Name), m.Name)
	}
	v, err := s.choose(ctx, m, inventory.Boot{})
	if err != nil {
		return nil, err
	}
	st, _, err = s.Inventory.HoldStatic(ctx, m.Name, v.ID)
	if err != nil {
		return nil, err
	}
	return &Admitted{Boot: staticBoot(st), Machine: m, Static: true}, nil
}

// starting reports whether a boot of a machine has opened its disk, its system has not
// yet, and it was not told that it has stopped. Who comes from its own address is it,
// and has been started anew.
func (s *Service) starting(machine string, from netip.Addr) (yes bool) {
	a := s.attempts.current(machine)
	if a == nil {
		return false
	}
	s.attempts.with(a, func() {
		yes = (a.stage == recorder.StageLogin || a.stage == recorder.StageRead) && a.watch.told == "" && from != a.addr
	})
	return yes
}

// staticBoot stands for a hold of static credentials where a boot is asked for. It
// has no number.
func staticBoot(st inventory.Static) inventory.Boot {
	return inventory.Boot{ID: st.User, User: st.User, Machine: st.Machine, Volume: st.Volume, Created: st.Held, Held: st.Held, Current: true}
}

// Owner is the boot, or what stands for one, that owns sessions.
func (s *Service) Owner(ctx context.Context, owner string) (inventory.Boot, error) {
	st, err := s.Inventory.StaticOf(ctx, owner)
	if notFound(err) {
		return s.Inventory.Boot(ctx, owner)
	}
	return staticBoot(st), err
}

// Timeline is the id that the events of b are recorded under. Each hold of static
// credentials has one of its own.
func Timeline(b inventory.Boot) string {
	if b.Seq == 0 {
		return fmt.Sprintf("%s-%s", b.ID, b.Held.UTC().Format("20060102-150405"))
	}
	return b.ID
}

// rootPath is where a client that is neither PXE nor iPXE finds its machine's
// disk, if the machine has static credentials; else empty.
func (s *Service) rootPath(ctx context.Context, machine string, c Client) string {
	if _, err := s.Inventory.Static(ctx, machine); err != nil {
		if !notFound(err) {
			s.Log.Error("static credentials could not be looked up", "machine", machine, "err", err)
		}
		return ""
	}
	portal := c.Server
	if o := s.Addresses[c.Interface].Portal; o.IsValid() {
		portal = o
	}
	return ipxe.URI(netip.AddrPortFrom(portal, s.ISCSIPort), 0, s.Target(machine))
}

func clock(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05") }
