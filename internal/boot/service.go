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
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"bootes.dev/internal/diagnose"
	"bootes.dev/internal/diskcheck"
	"bootes.dev/internal/inventory"
	"bootes.dev/internal/loaders"
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
	Loaders   *loaders.Folders // nil: there are none

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
	queued   seldom        // told that too many disks are to be looked into
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
	shareWait   time.Duration // for a turn to ask a share's server
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
		o.Loaders = loaders.NewFolders()
	}
	if o.SimulationEnded == nil {
		o.SimulationEnded = func(string) {}
	}
	if o.Targets == nil {
		o.Targets = noTargets{}
	}
	s := &Service{
		Options: o, attempts: attempts{m: map[string]*attempt{}}, started: time.Now(), now: time.Now,
		checks: newChecks(), looks: newDiskLooks(), shared: newShareAnswers(), asking: make(chan struct{}, maxAsking),
		between: between, resumeEvery: resumeEvery, checkAgain: checkAgain, lookWait: lookWait, shareWait: shareWait, hush: hush,
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

// notFound reports whether the inventory has no such record.
func notFound(err error) bool {
	var e *inventory.NotFoundError
	return errors.As(err, &e)
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
