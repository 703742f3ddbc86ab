package lab

import (
	"context"
	"fmt"
	"net"
)

// PowerOn switches the guest on. It is an error when it is on already.
func (g *Guest) PowerOn(ctx context.Context) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.proc != nil {
		return fmt.Errorf("switch on guest %q: it is on", g.opt.Name)
	}
	accel := g.opt.Accel
	if accel == "" {
		accel = Accelerator(ctx)
	}
	accel = g.opt.Firmware.accel(accel)
	g.resetFilters()
	proc, err := g.net.Start(Program{
		Path: g.opt.Firmware.Program(), Args: g.qemuArgs(accel), Log: g.opt.Name + "-qemu.log",
	})
	if err != nil {
		return fmt.Errorf("switch on guest %q: %w", g.opt.Name, err)
	}
	g.proc = proc
	if err := g.connect(ctx); err != nil {
		g.off()
		return fmt.Errorf("switch on guest %q: %w; see %s", g.opt.Name, err, proc.Log)
	}
	return nil
}

// connect takes QEMU's two connections and reads them until it ends.
func (g *Guest) connect(ctx context.Context) error {
	// QEMU waits in neither connect for an accept, so the order is free.
	serial, err := g.accept(g.serial)
	if err != nil {
		return fmt.Errorf("accept serial line: %w", err)
	}
	g.console.setConn(serial)
	g.read(serial, g.console.attach)
	control, err := g.accept(g.control)
	if err != nil {
		return fmt.Errorf("accept control connection: %w", err)
	}
	g.qmp = newQMP(control, g.onEvent)
	g.read(control, func(net.Conn) { g.qmp.run() })
	return g.qmp.execute(ctx, "qmp_capabilities")
}

func (g *Guest) read(conn net.Conn, f func(net.Conn)) {
	g.wait.Add(1)
	go func() {
		defer g.wait.Done()
		defer conn.Close()
		f(conn)
	}()
}

// onEvent is called with the name of each QMP event.
func (g *Guest) onEvent(event string) {
	if event == "RESET" {
		g.resetFilters()
	}
}

func (g *Guest) resetFilters() {
	for _, f := range g.opt.Filters {
		if r, ok := f.(Resetter); ok {
			r.Reset()
		}
	}
}

// PowerOff cuts the power: the guest is gone at once, nothing is flushed and no
// connection is closed in order. It does nothing when the guest is off.
func (g *Guest) PowerOff() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.off()
}

func (g *Guest) off() {
	if g.proc == nil {
		return
	}
	g.proc.Kill()
	g.wait.Wait()
	g.proc, g.qmp = nil, nil
}

// PowerCycle cuts the power and switches the guest on again.
func (g *Guest) PowerCycle(ctx context.Context) error {
	g.PowerOff()
	return g.PowerOn(ctx)
}

// Reset presses the reset button.
func (g *Guest) Reset(ctx context.Context) error { return g.command(ctx, "system_reset") }

// Pause stops the guest's processor, Resume lets it go on.
func (g *Guest) Pause(ctx context.Context) error { return g.command(ctx, "stop") }

// Resume lets a paused guest go on.
func (g *Guest) Resume(ctx context.Context) error { return g.command(ctx, "cont") }

func (g *Guest) command(ctx context.Context, name string) error {
	g.mu.Lock()
	q := g.qmp
	g.mu.Unlock()
	if q == nil {
		return fmt.Errorf("command %q to guest %q: %w", name, g.opt.Name, errGuestEnded)
	}
	if err := q.execute(ctx, name); err != nil {
		return fmt.Errorf("command %q to guest %q: %w", name, g.opt.Name, err)
	}
	return nil
}

// Wire is what stands between the guest and the network; nil without filters.
func (g *Guest) Wire() *Wire { return g.wire }

// Done is closed when the guest's QEMU has ended, by PowerOff or because the
// guest switched itself off. It is nil while the guest is off.
func (g *Guest) Done() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.proc == nil {
		return nil
	}
	return g.proc.Done()
}
