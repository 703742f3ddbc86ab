package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"
)

// NIC is the model of a guest's network card.
type NIC string

// The network cards a guest may have.
const (
	VirtioNet NIC = "virtio-net-pci"
	E1000     NIC = "e1000"
)

// GuestOptions describe a computer without disks.
type GuestOptions struct {
	Name     string // for logs; unique in its network
	Firmware Firmware
	MAC      string
	UUID     string // system UUID; default: none
	Serial   string // of the system; default: none
	Memory   int    // MiB; default 768
	NIC      NIC    // default VirtioNet
	DeadNIC  string // MAC of a first network card, whose cable leads nowhere; default: none
	Accel    string // default: what Accelerator found

	// PlainROM makes the network believe that the guest's boot ROM is a plain
	// PXE ROM and not iPXE, until it has asked for a boot loader by TFTP.
	PlainROM bool
	// Filters see every frame between the guest and the network, the first
	// one nearest to the guest.
	Filters []Filter

	ExtraArgs []string // more arguments for QEMU
}

// Guest is a computer in the lab. It can be switched on and off many times; its
// firmware's variables, its console and its log go on.
type Guest struct {
	net     *Net
	opt     GuestOptions
	tap     string // tap device, when QEMU opens it itself
	wire    *Wire  // else what stands between QEMU and the bridge
	console *Console
	serial  *net.UnixListener
	control *net.UnixListener

	mu   sync.Mutex
	proc *Process // nil while off
	qmp  *qmp
	wait sync.WaitGroup // readers of the running QEMU
}

// NewGuest makes a guest that is switched off.
func (n *Net) NewGuest(o GuestOptions) (*Guest, error) {
	if _, err := net.ParseMAC(o.MAC); err != nil {
		return nil, fmt.Errorf("make guest %q: %w", o.Name, err)
	}
	g := &Guest{net: n, opt: o.withDefaults()}
	if err := g.open(); err != nil {
		return nil, errors.Join(fmt.Errorf("make guest %q: %w", o.Name, err), g.close())
	}
	n.onClose(g.close)
	return g, nil
}

// StartGuest makes a guest and switches it on.
func (n *Net) StartGuest(ctx context.Context, o GuestOptions) (*Guest, error) {
	g, err := n.NewGuest(o)
	if err != nil {
		return nil, err
	}
	return g, g.PowerOn(ctx)
}

func (o GuestOptions) withDefaults() GuestOptions {
	if o.Memory == 0 {
		o.Memory = 768
	}
	if o.NIC == "" {
		o.NIC = VirtioNet
	}
	if o.PlainROM {
		o.Filters = append([]Filter{new(PlainROM)}, o.Filters...)
	}
	return o
}

func (g *Guest) open() (err error) {
	if g.console, err = newConsole(g.path("console.log")); err != nil {
		return err
	}
	if g.serial, err = listenUnix(g.path("serial.sock")); err != nil {
		return err
	}
	if g.control, err = listenUnix(g.path("qmp.sock")); err != nil {
		return err
	}
	if g.opt.Firmware != BIOS {
		if err := copyFile(g.path("vars.fd"), platforms[g.opt.Firmware].vars); err != nil {
			return fmt.Errorf("copy firmware variables: %w", err)
		}
	}
	name := g.net.linkName()
	if len(g.opt.Filters) == 0 {
		g.tap = name
		return g.net.addTap(name)
	}
	g.wire, err = g.net.newWire(name, g.path("nic.sock"), g.path("wire.sock"), g.opt.Filters)
	return err
}

func listenUnix(path string) (*net.UnixListener, error) {
	_ = os.Remove(path) // left by a lab that was killed
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("listen on %q: %w", path, err)
	}
	return l, nil
}

func copyFile(to, from string) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, b, 0o644)
}

// path names a file of this guest in the lab's folder.
func (g *Guest) path(suffix string) string { return g.net.Path(g.opt.Name + "-" + suffix) }

// Name is the name from the options.
func (g *Guest) Name() string { return g.opt.Name }

// Options are those that the guest was made with, with defaults filled in.
func (g *Guest) Options() GuestOptions { return g.opt }

// Console is the serial port.
func (g *Guest) Console() *Console { return g.console }

// accept waits a moment for QEMU, which connects as soon as it starts.
func (g *Guest) accept(l *net.UnixListener) (net.Conn, error) {
	if err := l.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		return nil, err
	}
	return l.Accept()
}

func (g *Guest) close() error {
	g.PowerOff()
	var errs []error
	if g.wire != nil {
		errs = append(errs, g.wire.close())
	}
	for _, l := range []*net.UnixListener{g.serial, g.control} {
		if l != nil {
			errs = append(errs, l.Close())
		}
	}
	if g.console != nil {
		errs = append(errs, g.console.close())
	}
	return errors.Join(errs...)
}
