// Package boot decides what a machine gets, now, and why.
//
// Every server asks it: DHCP which loader or script a client should be told,
// HTTP for the script, the iSCSI target whether an initiator may open a disk.
// It follows each machine through one boot and tells the recorder.
//
// # Who may hold a disk
//
// A disk belongs to one boot of one machine. A boot begins when firmware or
// iPXE asks for an address; it gets its disk and its CHAP credentials when it
// asks for its script; it holds the disk from its first authenticated login.
// Sessions of one boot share the disk: iPXE's and the kernel's overlap. The
// login of a newer boot ends the older boot's sessions; an older boot is
// refused. Nothing that anybody could send without the credentials (a
// DISCOVER, a request for a script) changes anything for a running machine.
package boot

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"time"

	"bootes.dev/internal/diagnose"
	"bootes.dev/internal/diskcheck"
	"bootes.dev/internal/inventory"
	"bootes.dev/internal/recorder"
)

// Disks makes and removes the volumes that boots use.
type Disks interface {
	// CreateVolume clones what ref means now, an image or a tag, for a boot of
	// machine, or returns the volume that it has already. A persistent volume
	// is found by later boots, whatever the tag means then.
	CreateVolume(ctx context.Context, machine, ref string, mode inventory.Mode, boot string) (inventory.Volume, error)
	// Discard removes the volumes of boots that are over.
	Discard(ctx context.Context, gone inventory.Superseded) error
}

// Locate returns the MAC of the machine that holds an address, by its lease or
// by the neighbour table.
type Locate func(ctx context.Context, a netip.Addr) (net.HardwareAddr, bool)

// Addresses overrides, for machines that ask through one interface, where
// their boot files and their disks are. An invalid address means: the address
// that the request came in by.
type Addresses struct {
	HTTP   netip.Addr
	Portal netip.Addr
}

// Options for New. All are needed but those whose comment says otherwise.
type Options struct {
	Inventory *inventory.Inventory
	Disks     Disks
	Recorder  *recorder.Recorder
	Locate    Locate
	Log       *slog.Logger
	Loaders   *Folders // nil: there are none

	IQNPrefix string
	HTTPPort  uint16
	ISCSIPort uint16
	Addresses map[string]Addresses // by interface; may be nil

	// For diagnoses, all of which may be missing: what a boot has moved, the other
	// DHCP servers on an interface's network, the port of TFTP and the data folder;
	// and how long a machine may be silent at a stage, by default as long as
	// diagnose.Patience says.
	Moved      func(boot string) Moved
	Others     func(iface string) []diagnose.Server
	TFTPPort   uint16
	Knocks     func(mac string, since time.Time) (k diagnose.Knocks, accepted int)
	Heard      func(mac string, since time.Time) diagnose.Heard
	Data       string
	Neighbours Neighbours
	// Check compares a layer's content with its hashes, and says what is not as it was
	// made; "": nothing.
	Check func(ctx context.Context, layer string) (damage string, err error)
	// Contents looks into a volume that m does not boot, which stands on an image.
	Contents func(ctx context.Context, volume, image string, m diskcheck.Machine) (diagnose.Contents, error)
	Patience func(recorder.Stage, recorder.Usual) time.Duration
	// Pace is how a boot goes on, by its sessions, and Sent the file that is on its way
	// to an address. Crawls is how long it may go on at a stage, by default as long as
	// diagnose.Crawls says.
	Pace   func(boot string) diagnose.Pace
	Sent   func(to netip.Addr) diagnose.File
	Crawls func(recorder.Stage, recorder.Usual) time.Duration

	Targets Targets // nil: there are never any sessions

	// OneWayCHAP leaves it out of scripts that targets prove themselves.
	OneWayCHAP bool

	// SimulationEnded is told each target of a simulation that has ended; nil: nobody is.
	SimulationEnded func(target string)

	Unknown map[string]Unknown // by interface; what is not there is ignored
}

// Service decides. Its methods may be called from any goroutine.
type Service struct {
	Options
	attempts attempts
	refusals refusals
	warnings warnings
	askers   askers
	twins    twins
	tickets  tickets
	checks   checks
	looks    diskLooks
	shared   shareAnswers
	enrolled bucket
	met      bucket        // strangers
	asking   chan struct{} // full: the network is asked for others
	full     seldom        // told that the list of those that wait is full
	flooded  seldom        // told that strangers are too many
	started  time.Time
	now      func() time.Time

	// open ends with Close, and with it what a look at a boot waits for.
	open  context.Context
	close context.CancelFunc

	// The constants, but in tests.
	between     time.Duration // two sessions of iPXE's
	resumeEvery time.Duration // Resume looks
	checkAgain  time.Duration // the same layer
	hush        time.Duration // before a disk is looked into early
	lookWait    time.Duration // for a turn to look into a disk
}

// New returns a Service.
func New(o Options) *Service {
	if o.Patience == nil {
		o.Patience = diagnose.Patience
	}
	if o.Crawls == nil {
		o.Crawls = diagnose.Crawls
	}
	o.TFTPPort = cmp.Or(o.TFTPPort, 69)
	if o.Loaders == nil {
		o.Loaders = NewFolders()
	}
	if o.SimulationEnded == nil {
		o.SimulationEnded = func(string) {}
	}
	if o.Targets == nil {
		o.Targets = noTargets{}
	}
	s := &Service{
		Options: o, attempts: attempts{m: map[string]*attempt{}}, started: time.Now(), now: time.Now,
		checks: newChecks(), looks: newDiskLooks(), asking: make(chan struct{}, maxAsking),
		between: between, resumeEvery: resumeEvery, checkAgain: checkAgain, lookWait: lookWait, hush: hush,
	}
	s.open, s.close = context.WithCancel(context.Background())
	return s
}

// Close ends the service's timers, and returns when what they began has ended.
func (s *Service) Close() {
	s.close()
	s.attempts.closeAll()
	s.refusals.close()
	s.tickets.close()
}

// Client is who asks by DHCP.
type Client struct {
	MAC       net.HardwareAddr
	Interface string
	Server    netip.Addr // our address there
	Firmware  Firmware   // NoFirmware: an operating system
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
	if !c.IPXE && c.Firmware == NoFirmware {
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
	if c.IPXE || c.Firmware != NoFirmware {
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
		if !c.IPXE && !a.firmware.uboot() { // U-Boot asks as UEFI, too
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

// notFound reports whether the inventory has no such record.
func notFound(err error) bool {
	var e *inventory.NotFoundError
	return errors.As(err, &e)
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
	if !c.IPXE && c.Firmware == NoFirmware { // its system, if it can have one by now
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

// say records e under a.
func (s *Service) say(a *attempt, e recorder.Event) {
	s.Recorder.Add(s.of(a, e))
}

// sayOnce records e under a, or counts it as one more of the same; it reports
// whether it was new.
func (s *Service) sayOnce(a *attempt, e recorder.Event) bool {
	e = s.of(a, e)
	if s.Recorder.Repeat(e) {
		return false
	}
	s.Recorder.Add(e)
	return true
}

// of is e as an event of a's.
func (s *Service) of(a *attempt, e recorder.Event) recorder.Event {
	of := s.eventOf(a)
	e.Boot, e.MAC, e.Machine = of.Boot, of.MAC, of.Machine
	return e
}

// eventOf is an event of a's, that says nothing yet.
func (s *Service) eventOf(a *attempt) recorder.Event {
	e := recorder.Event{Boot: a.id}
	s.attempts.with(a, func() { e.MAC = a.mac })
	if a.subject != e.MAC {
		e.Machine = a.subject
	}
	return e
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
