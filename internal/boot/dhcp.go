package boot

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"bootes.dev/internal/inventory"
	"bootes.dev/internal/loaders"
	"bootes.dev/internal/recorder"
)

// Client is who asks by DHCP.
type Client struct {
	MAC       net.HardwareAddr
	Interface string
	Server    netip.Addr       // our address there
	Firmware  loaders.Firmware // NoFirmware: an operating system
	IPXE      bool
	Discover  bool          // a DISCOVER, which may begin a boot
	Relay     netip.Addr    // zero: on our wire
	From      netip.Addr    // of the message: the relay's towards us, where there is one
	Network   netip.Prefix  // behind the relay; zero: none that we serve
	Proxy     bool          // another server gives it its address
	Late      time.Duration // for how long it says that it has asked
	Xid       uint32
	UUID      [16]byte // of its firmware, in canonical byte order; zero: not told

	Features   []byte // what its iPXE says it can do; empty: it does not say
	AsksAsIPXE bool   // as only iPXE asks, whatever it calls itself
	Unmasked   bool   // IPXE by nothing but that

	Simulated  bool   // it only looks what its machine would get
	Simulation string // that it belongs to; "": to none
}

// Answer is what a DHCP client should be told.
type Answer struct {
	Machine  string // empty: unknown
	Hostname string
	Known    bool
	Filename string     // loader or script; empty: no boot
	Reason   string     // why there is no boot
	RootPath string     // disk that firmware or an HBA opens by static credentials (RFC 4173)
	Address  netip.Addr // kept for the machine; invalid: none
}

// DHCP decides what c is told.
func (s *Service) DHCP(ctx context.Context, c Client) Answer {
	if c.Simulated {
		return s.simulateDHCP(ctx, c)
	}
	v, err := s.who(ctx, c)
	if err != nil {
		s.Log.Error("machine could not be looked up", "mac", c.MAC.String(), "err", err)
		return Answer{Reason: "the inventory did not answer"}
	}
	if !v.known() {
		return s.stranger(ctx, c, v)
	}
	m := v.machine
	ans := Answer{Machine: m.Name, Hostname: m.Name, Known: true, Address: m.Address}
	if !c.IPXE && c.Firmware == loaders.NoFirmware {
		ans.RootPath = s.rootPath(ctx, m.Name, c)
		return ans
	}
	c = s.unmask(m.Name, c)
	s.asked(ctx, m.Name, v, c)
	ans.Filename, ans.Reason = s.bootFile(m, c)
	return ans
}

// who is the machine of a DHCP client.
func (s *Service) who(ctx context.Context, c Client) (verdict, error) {
	if c.IPXE || c.Firmware != loaders.NoFirmware {
		return s.whose(ctx, c.MAC, inventory.Hardware{UUID: firmwareUUID(c.UUID)}, false)
	}
	// Systems do not say what they run on: they have booted here as something.
	subject, by := "", false
	if a := s.attempts.byCard(c.MAC.String()); a != nil {
		s.attempts.with(a, func() { subject, by = a.subject, a.byHardware })
	}
	if by {
		if m, err := s.Inventory.Machine(ctx, subject); err == nil {
			return verdict{machine: m, byHardware: true}, nil
		}
	}
	return s.whose(ctx, c.MAC, inventory.Hardware{}, false)
}

// InIPXE reports whether the machine with a MAC has come as far as iPXE, and
// not yet to its script.
func (s *Service) InIPXE(mac net.HardwareAddr) (yes bool) {
	if a := s.attempts.byCard(mac.String()); a != nil {
		s.attempts.with(a, func() { yes = a.stage == recorder.StageIPXE })
	}
	return yes
}

// asked files a request under its attempt, opening one where it begins one.
// It returns nil for a message that belongs to no attempt.
func (s *Service) asked(ctx context.Context, subject string, v verdict, c Client) *attempt {
	twin := s.twins.hear(c, s.now())
	if !c.Discover {
		a := s.attempts.current(subject)
		s.twin(a, twin)
		return a
	}
	by, st, who := romAsks, recorder.StageFirmware, string(c.Firmware)
	if c.IPXE {
		by, st, who = ipxeAsks, recorder.StageIPXE, "iPXE"
	}
	if !s.attempts.part(subject, c.MAC.String(), v.byHardware, s.now()) {
		return nil
	}
	a, err := s.take(ctx, subject, v.known(), c.MAC, by)
	if err != nil {
		s.Log.Error("boot could not be opened", "machine", subject, "err", err)
		return nil
	}
	began := false
	s.attempts.seen(a, c.MAC.String(), func() {
		a.iface, a.byHardware, a.addressed, a.server, a.from = c.Interface, v.byHardware, s.now(), c.Server, c.From
		a.unmasked, a.lacks = c.Unmasked, c.lacks()
		if u := firmwareUUID(c.UUID); u != "" {
			a.hardware.UUID = u
		}
		if !c.IPXE && !a.firmware.UBoot() { // U-Boot asks as UEFI, too
			a.firmware = c.Firmware
		}
		a.discovered(c, time.Now())
		began = a.stage == ""
		if c.IPXE {
			a.platform = c.Firmware
		}
	})
	s.attempts.reach(a, st)
	defer s.alive(a)
	if !s.sayOnce(a, recorder.Event{Stage: st, Text: fmt.Sprintf("DISCOVER from %s on %s", who, c.Interface)}) {
		return a
	}
	s.twin(a, twin)
	s.warned(a, c.Interface)
	if began && v.known() {
		s.loops(ctx, a)
	}
	return a
}

// howToAdd is the command that adds the machine with a MAC, with an image that
// exists, or the commands, if there is none yet.
func (s *Service) howToAdd(ctx context.Context, mac net.HardwareAddr) string {
	first, ref := "bootes image build debian:12; ", "debian:12"
	if images, err := s.Inventory.Images(ctx); err == nil && len(images) > 0 {
		first, ref = "", images[0].Ref()
	}
	return fmt.Sprintf("%sbootes machine add NAME --mac %s --image %s", first, mac, ref)
}

// take returns the attempt that a machine's step belongs to. A new attempt of
// a known machine is stored at once, as a pending boot.
func (s *Service) take(ctx context.Context, subject string, known bool, mac net.HardwareAddr, st step) (*attempt, error) {
	return s.attempts.take(subject, mac.String(), st, s.now(), func() (string, error) {
		if !known {
			return strings.ToLower(rand.Text()[:8]), nil
		}
		if old := s.attempts.current(subject); old != nil {
			s.replaced(ctx, old)
		}
		b, dropped, err := s.Inventory.OpenBoot(ctx, subject)
		s.discard(ctx, dropped)
		return b.ID, err
	})
}

// DHCPSent records what a DHCP client was told, or why it was told nothing.
func (s *Service) DHCPSent(c Client, machine, text string, ignored bool) {
	subject := machine
	if subject == "" {
		subject = c.MAC.String()
	}
	a := s.attempts.current(subject)
	if a == nil {
		return
	}
	if !c.IPXE && c.Firmware == loaders.NoFirmware { // its system, if it can have one by now
		var boots bool
		s.attempts.with(a, func() { boots = a.stage.After(recorder.StageIPXE) })
		if !boots {
			return
		}
		text = "its system: " + text
	}
	level := recorder.Info
	if ignored {
		level = recorder.Warn
	}
	s.sayOnce(a, recorder.Event{Level: level, Text: text})
}

func (s *Service) httpAddr(c Client) string {
	addr := c.Server
	if o := s.Addresses[c.Interface].HTTP; o.IsValid() {
		addr = o
	}
	return URLHost(addr, s.HTTPPort)
}

// URLHost is an address and a port as a URL of http has them: without the port
// that goes without saying.
func URLHost(a netip.Addr, port uint16) string {
	if port == 80 {
		return a.String()
	}
	return netip.AddrPortFrom(a, port).String()
}
