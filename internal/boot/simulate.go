package boot

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"bootes.dev/internal/inventory"
	"bootes.dev/internal/ipxe"
	"bootes.dev/internal/loaders"
)

// simulatePrefix and a colon begin the CHAP names of simulated machines. Names of
// machines and so those of boots have no colon.
const simulatePrefix = "simulate"

// simulateDHCP decides what a simulated client is told: what its machine would
// be. Nothing is kept of it.
func (s *Service) simulateDHCP(ctx context.Context, c Client) Answer {
	at, _ := s.tickets.seat(c.Simulation, c.MAC, s.now()) // of no simulation it is answered, too
	v, err := s.simulated(ctx, at, c.MAC, inventory.Hardware{UUID: firmwareUUID(c.UUID)})
	if err != nil {
		return Answer{Reason: fmt.Sprintf("the inventory did not answer: %v", err)}
	}
	s.tickets.asks(at, c.Interface)
	m := v.machine
	ans := Answer{Machine: m.Name, Hostname: m.Name, Known: v.known(), Address: m.Address}
	system := !c.IPXE && c.Firmware == loaders.NoFirmware
	switch {
	case !v.known() && system:
		ans.Reason = "unknown machine"
	case !v.known() && s.Unknown[c.Interface].Policy == Ignore:
		ans.Reason = "unknown machine: it gets no boot. To add it: " + s.howToAdd(ctx, c.MAC) + resembles(v, c.MAC)
	case system:
		ans.RootPath = s.rootPath(ctx, m.Name, c)
	default:
		if ans.Filename, _, err = s.fileFor(m, c); err != nil {
			ans.Reason = err.Error()
		}
	}
	return ans
}

// simulated is whose machine a simulated client stands for.
func (s *Service) simulated(ctx context.Context, at *seat, mac net.HardwareAddr, h inventory.Hardware) (verdict, error) {
	if at != nil && at.given.Name != "" {
		return verdict{machine: at.given}, nil
	}
	return s.whose(ctx, mac, h, true)
}

// SimulatedSent notes what a simulated client was told, or why nothing, and the
// address that it was offered, if it was.
func (s *Service) SimulatedSent(c Client, addr netip.Addr, text string) {
	if at, err := s.tickets.seat(c.Simulation, c.MAC, s.now()); err == nil {
		s.tickets.offered(at, addr)
		s.tickets.remark(at, text)
	}
}

// simulateScript is the script that a machine would get now, with credentials
// that open what it would boot to look at, until the ticket ends.
func (s *Service) simulateScript(ctx context.Context, by Asker) (string, error) {
	at, err := s.tickets.admitted(by.Facts.Get("simulate"), by.MAC, s.now())
	if err != nil {
		return "", fmt.Errorf("%w: %w", err, ErrForbidden)
	}
	v, err := s.simulated(ctx, at, by.MAC, inventory.Hardware{})
	if err != nil {
		return "", err
	}
	if !v.known() {
		return s.simulateStranger(ctx, at, by, v), nil
	}
	if v.not {
		s.tickets.remark(at, "no script: "+v.doubt)
		return ipxe.Message(fmt.Sprintf("Bootes does not boot %s as %s:", by.MAC, v.machine.Name), v.doubt), nil
	}
	b, disk, err := s.simulatePlan(ctx, at, v.machine)
	if err != nil {
		s.tickets.remark(at, fmt.Sprintf("no script: %v", err))
		return ipxe.Message("Bootes cannot boot "+v.machine.Name+":", err.Error()), nil
	}
	s.tickets.remark(at, fmt.Sprintf("script made: %s, %s", imageOf(disk), willUse(disk)))
	return s.diskScript(v.machine, b, disk, way{target: s.simulateTarget(b.User), portal: s.portal(s.tickets.interfaceOf(at), by.Local)})
}

// willUse says which volume a simulated machine would boot from.
func willUse(v inventory.Volume) string {
	if v.ID == "" {
		return fmt.Sprintf("a new %s volume, of which this shows the image", v.Mode)
	}
	return fmt.Sprintf("%s volume %s, as it is now", v.Mode, v.ID)
}

// simulateStranger is what a machine that nobody has added would get.
func (s *Service) simulateStranger(ctx context.Context, at *seat, by Asker, v verdict) string {
	u := s.Unknown[s.tickets.interfaceOf(at)]
	var text, remedy string
	switch u.Policy {
	case Hold:
		text, remedy = "it would wait for approval", s.howToApprove(ctx, by.MAC, u)
	case Enrol:
		text, remedy = "it would be enrolled, and boot "+u.Image, s.howToAdd(ctx, by.MAC)
	default:
		text, remedy = "Bootes does not know this machine, "+by.MAC.String(), s.howToAdd(ctx, by.MAC)
	}
	s.tickets.remark(at, fmt.Sprintf("no disk: %s. On the server: %s%s", text, remedy, resembles(v, by.MAC)))
	return ipxe.Message(text, "On the server: "+remedy)
}

// simulatePlan is the boot that a machine would have now, with its disk. It is
// the same one as long as the ticket lasts.
func (s *Service) simulatePlan(ctx context.Context, at *seat, m inventory.Machine) (inventory.Boot, inventory.Volume, error) {
	disk, err := s.wouldBoot(ctx, m)
	if err != nil {
		return inventory.Boot{}, disk, err
	}
	s.tickets.mu.Lock()
	defer s.tickets.mu.Unlock()
	if at.ticket.ended { // meanwhile: nobody would take the credentials back
		return inventory.Boot{}, disk, errNoTicket
	}
	if at.boot.User == "" {
		at.boot = inventory.PassingBoot(simulatePrefix, m.Name)
		s.tickets.users[at.boot.User] = at
	}
	at.disk = disk
	return at.boot, disk, nil
}

// wouldBoot is the volume that m's next boot would have, without an ID if it
// would be made for it.
func (s *Service) wouldBoot(ctx context.Context, m inventory.Machine) (inventory.Volume, error) {
	if m.Update != nil {
		return s.choose(ctx, m, inventory.Boot{})
	}
	if m.Mode == inventory.Persistent {
		if v, err := s.Inventory.FindVolume(ctx, m.Name, m.Image, m.Mode, ""); !notFound(err) {
			return v, err
		}
	}
	img, err := s.Inventory.Resolve(ctx, m.Image)
	if err == nil {
		err = img.Bootable()
	}
	return inventory.Volume{Machine: m.Name, Ref: m.Image, Image: img.Ref(), Digest: img.Digest, Mode: m.Mode, BlockSize: img.BlockSize}, err
}

// simulateTarget is a target of its own: at the machine's the login would end the
// sessions of the system that runs.
func (s *Service) simulateTarget(user string) string { return s.IQNPrefix + ":" + user }

// admitSimulated lets a simulated machine look at what it would boot.
func (s *Service) admitSimulated(ctx context.Context, in Initiator, at seat) (*Admitted, error) {
	m := at.boot.Machine
	switch {
	case in.Target != s.simulateTarget(at.boot.User):
		return nil, denied("these are credentials of a simulation of %s, for %s only", m, s.simulateTarget(at.boot.User))
	case in.Name != s.InitiatorName(m):
		return nil, denied("%s is not the initiator name of %s", in.Name, m)
	}
	if err := s.simulateFrom(ctx, at); err != nil {
		return nil, err
	}
	return &Admitted{Boot: at.boot, Machine: inventory.Machine{Name: m}, Look: &at.disk}, nil
}

// simulateFrom tries the rule "from" of a simulated machine for the address that the
// machine was offered: it logs in from another one, that of who plays it.
func (s *Service) simulateFrom(ctx context.Context, at seat) error {
	m, err := s.Inventory.Machine(ctx, at.boot.Machine)
	if at.given.Name != "" || notFound(err) || err == nil && len(m.Access.From) == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	if !at.addr.IsValid() {
		s.tickets.remark(&at, fmt.Sprintf("the rule \"from\" of %s was not tried: this server has offered it no address, and nobody here knows which it will have", m.Name))
		return nil
	}
	return from(m, at.addr)
}

// Simulated reports whether an owner of sessions is a simulated machine.
func Simulated(owner string) bool { return strings.HasPrefix(owner, simulatePrefix+":") }
