package simulate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"
)

// Options of a simulation. Interface, MAC and Firmware are required.
type Options struct {
	Interface string
	MAC       net.HardwareAddr
	Firmware  Firmware
	UUID      [16]byte // of the system; zero: one is made of the MAC

	// Simulation and Ticket are a Boötes' leave to be served as the machine, by
	// scripts at Servers. Without them its scripts cannot be had.
	Simulation string
	Ticket     string
	Servers    []netip.Addr

	Lease bool          // take the offered lease, which the server then keeps
	Wait  time.Duration // for answers; default 8 s: some servers ping an address for 3 s before they offer it
	Tell  func(Step)    // is told each step at once; may be nil
}

const defaultWait = 8 * time.Second

// player plays one machine.
type player struct {
	Options
	wire   *Wire
	client client
	story  story
	screen []string // its last lines
	shown  int      // lines that it has shown
}

// Run plays a machine from its power-on until it would run its disk's own
// system, or comes no further. The error is one of this computer's.
func Run(ctx context.Context, o Options) (Report, error) {
	o.Wait = cmp.Or(o.Wait, defaultWait)
	wire, err := OpenWire(o.Interface)
	if err != nil {
		return Report{}, err
	}
	defer wire.Close()
	p := &player{Options: o, wire: wire, client: client{o.MAC, o.UUID, o.Simulation}, story: story{tell: o.Tell}}
	r := Report{MAC: o.MAC.String(), Firmware: o.Firmware.Name, Interface: o.Interface}
	var end *ending
	if err := p.play(ctx); errors.As(err, &end) {
		r.Verdict = end.Verdict
	} else if err != nil {
		return r, err
	}
	r.Steps = p.story.steps
	return r, nil
}

// play goes from stage to stage. The error is an *ending, or a fault of ours.
func (p *player) play(ctx context.Context) error {
	if !p.wire.Own().IsValid() {
		return fmt.Errorf("simulate on interface %q: it has no IPv4 address, from which loader, script and disk could be asked for: ip addr add ADDRESS/LENGTH dev %s", p.Interface, p.Interface)
	}
	f := p.Firmware
	if !f.ipxe() {
		p.story.stage = StageFirmware
		c, err := p.asks(ctx, f)
		if err != nil {
			return err
		}
		p.story.stage = StageLoader
		if err := p.loads(ctx, f, c); err != nil {
			return err
		}
		if f, err = FirmwareByName(f.then); err != nil {
			return err
		}
	}
	p.story.stage = StageIPXE
	c, err := p.asks(ctx, f)
	if err != nil {
		return err
	}
	return p.ipxe(ctx, f, c)
}
