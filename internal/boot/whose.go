package boot

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"bootes.dev/internal/inventory"
)

// verdict says which machine a computer is.
type verdict struct {
	machine    inventory.Machine // without a name: nobody has added it
	byHardware bool              // by UUID or serial number, not by its network card

	ask   bool              // only what iPXE can say of it decides
	like  inventory.Machine // that it may be, by its UUID or serial number alone; without a name: none
	doubt string            // what does not fit, and what a person can do; "": all fits
	not   bool              // it must not have the machine's disk, for that reason
}

func (v verdict) known() bool { return v.machine.Name != "" }

// whose finds the machine of a computer by its network card and by what is known
// of its hardware. asked says whether iPXE was asked.
func (s *Service) whose(ctx context.Context, mac net.HardwareAddr, h inventory.Hardware, asked bool) (verdict, error) {
	byMAC, err := s.Inventory.MachineByMAC(ctx, mac.String())
	if err != nil && !notFound(err) {
		return verdict{}, err
	}
	h, other, err := s.claimant(ctx, byMAC.Name, h)
	if err != nil {
		return verdict{}, err
	}
	return judge(byMAC, other, h, asked), nil
}

// claimant is the one machine but that named not which has h's UUID or serial
// number, without a name if there is none. What several machines have is taken
// out of h.
func (s *Service) claimant(ctx context.Context, not string, h inventory.Hardware) (_ inventory.Hardware, m inventory.Machine, err error) {
	var byUUID, bySerial []string
	if h.UUID != "" {
		byUUID, err = s.Inventory.MachinesByUUID(ctx, h.UUID)
	}
	if h.Serial != "" && err == nil {
		bySerial, err = s.Inventory.MachinesBySerial(ctx, h.Serial)
	}
	if err != nil {
		return h, m, err
	}
	if len(byUUID) > 1 {
		h.UUID = ""
	}
	if len(bySerial) > 1 {
		h.Serial = ""
	}
	name := ""
	for _, names := range [][]string{byUUID, bySerial} {
		switch {
		case len(names) != 1 || names[0] == not || names[0] == name:
		case name != "":
			return h, m, nil // two machines: it tells nothing
		default:
			name = names[0]
		}
	}
	if name == "" {
		return h, m, nil
	}
	m, err = s.Inventory.Machine(ctx, name)
	if notFound(err) {
		m, err = inventory.Machine{}, nil
	}
	return h, m, err
}

// agrees compares a machine's record with hardware: whether anything that tells
// computers apart is the same, and whether anything differs.
func agrees(m inventory.Machine, h inventory.Hardware) (same, differs bool) {
	for _, p := range [][2]string{{m.SystemUUID(), h.UUID}, {m.SystemSerial(), h.Serial}} {
		switch {
		case p[0] == "" || p[1] == "":
		case inventory.SameUUID(p[0], p[1]):
			same = true
		default:
			differs = true
		}
	}
	return same, differs
}

// vouched reports whether a person has given m the UUID or the serial number of h.
func vouched(m inventory.Machine, h inventory.Hardware) bool {
	return m.UUID != "" && h.UUID != "" && inventory.SameUUID(m.UUID, h.UUID) || m.Serial != "" && m.Serial == h.Serial
}

// judge decides between the machine that has a computer's network card and the
// other one that has its UUID or serial number. Either may be nobody.
//
// A card can be carried to another computer, in a dock; a UUID is often copied to
// whole lots of boards. So neither alone moves a disk: a card yields only to
// hardware that another machine has *and* that is not its own machine's, or to
// a person's word; and hardware alone makes nobody of a stranger but by a
// person's word, or if both its UUID and its serial number say so.
func judge(byMAC, other inventory.Machine, h inventory.Hardware, asked bool) verdict {
	if byMAC.Name == "" {
		return judgeStranger(other, h)
	}
	same, differs := agrees(byMAC, h)
	switch theirs, clash := agrees(other, h); {
	case same:
		return verdict{machine: byMAC}
	case other.Name != "" && vouched(other, h):
		return verdict{machine: other, byHardware: true}
	case other.Name != "" && differs && other.SystemSerial() != "" && !asked:
		return verdict{machine: other, byHardware: true, ask: true}
	case other.Name != "" && differs && theirs && !clash:
		return verdict{machine: other, byHardware: true}
	case differs:
		return doubtful(byMAC, h)
	}
	// A serial number that is not known of this computer may be another one.
	return verdict{machine: byMAC, ask: byMAC.SystemSerial() != "" && !asked && (h.UUID == "" || byMAC.SystemUUID() == "")}
}

func judgeStranger(other inventory.Machine, h inventory.Hardware) verdict {
	_, differs := agrees(other, h)
	both := h.UUID != "" && h.Serial != "" && other.SystemUUID() != "" && other.SystemSerial() != "" && !differs
	switch {
	case other.Name != "" && (vouched(other, h) || both):
		return verdict{machine: other, byHardware: true}
	case differs: // a UUID that a lot of boards share, or a serial number
		return verdict{}
	}
	return verdict{like: other}
}

// doubtful is the verdict on a computer that has m's network card and other
// hardware than m, which nobody else has.
func doubtful(m inventory.Machine, h inventory.Hardware) verdict {
	what, is, was, flag := "UUID", h.UUID, m.SystemUUID(), "--uuid"
	if is == "" || was == "" || inventory.SameUUID(is, was) {
		what, is, was, flag = "serial number", h.Serial, m.SystemSerial(), "--serial"
	}
	return verdict{machine: m, not: m.UUID != "" && what == "UUID" || m.Serial != "" && what != "UUID",
		doubt: fmt.Sprintf("its %s is %s, and %s has %s: if it is %s with a new board, `bootes machine set %s %s %s` says so; "+
			"if it is another computer with the network card or the dock of %s, add that one by a card of its own",
			what, is, m.Name, was, m.Name, m.Name, flag, quoted(is), m.Name)}
}

// quoted is an argument as a shell wants it.
func quoted(s string) string {
	if strings.ContainsAny(s, " '\"$&|;<>()*?[]#~`\\!") {
		return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
	}
	return s
}

// errHeld: a machine's disk is another computer's now.
var errHeld = errors.New("its disk is in use")

// vacant refuses a computer that is not surely v's machine as long as a system
// runs from that machine's disk: it would lose it.
func (s *Service) vacant(ctx context.Context, v verdict) error {
	if !v.byHardware && v.doubt == "" {
		return nil
	}
	owner, since := s.Targets.Alive(ctx, s.Target(v.machine.Name))
	if owner == "" {
		return s.comesBack(ctx, v.machine.Name)
	}
	return fmt.Errorf("%w: %s runs, by boot %s since %s", errHeld, v.machine.Name, owner, clock(since))
}

// comeback is how long after a start of the server a system that ran before may
// take to log in again.
const comeback = 2 * time.Minute

// comesBack refuses a disk that a system ran from before the server was started,
// as long as that may be about to come back to it.
func (s *Service) comesBack(ctx context.Context, machine string) error {
	if !s.now().Before(s.started.Add(comeback)) {
		return nil
	}
	boots, err := s.Inventory.Boots(ctx, machine)
	for _, b := range boots {
		if b.Current && b.Created.Before(s.started) {
			return fmt.Errorf("%w: %s ran by boot %s before this server started, and may come back to it until %s", errHeld, machine, b.ID, clock(s.started.Add(comeback)))
		}
	}
	return err
}
