package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"bootes.dev/internal/api"
	"bootes.dev/internal/simulate"
)

// roomFlags are what a simulated room is like.
type roomFlags struct {
	machines   int
	image      string
	full       bool
	spread     time.Duration
	patience   time.Duration
	writeGrant string
	grant      string
}

func (r *roomFlags) register(f *pflag.FlagSet) {
	f.IntVar(&r.machines, "room", 0, "boot a `number` of machines that there are not, which read what a real one read")
	f.StringVar(&r.image, "image", "", "`image` that the room boots; default: the only one there is")
	f.BoolVar(&r.full, "full-speed", false, "have the room read as fast as it is answered, not at the recorded pace")
	f.DurationVar(&r.spread, "spread", 0, "`time` over which the room is switched on, one machine after the other")
	f.DurationVar(&r.patience, "patience", simulate.DefaultPatience, "`time` that a machine of the room may take for one stage, or one READ")
	f.StringVar(&r.writeGrant, "write-ticket", "", "write to a `file` (- is standard output) what another computer needs to boot the room")
	f.StringVar(&r.grant, "ticket", "", "boot the room of a `file` that --write-ticket wrote; - is standard input")
}

const (
	roomHelp = "--room N switches on N machines that there are not, all of the same image, and has them read what a real one\n" +
		"read when it booted (`bootes image trace`): how long does the server take for a room? Without the server's socket,\n" +
		"from the network where the machines are, it takes a ticket that --write-ticket wrote on the server; that is good\n" +
		"for ten minutes.\n\n"
	roomExample = "  bootes simulate --room 100 --image debian:12 --spread 30s\n" +
		"  ssh root@server bootes simulate --room 100 --write-ticket - | bootes simulate --ticket - --interface eth0"
)

// alone refuses what is of one machine.
func (r *roomFlags) alone(cmd *cobra.Command, args []string) error {
	for _, name := range []string{"mac", "uuid", "lease", "wait"} {
		if len(args) > 0 || cmd.Flags().Changed(name) {
			return errors.New("a room has machines that there are not: leave out MACHINE, --mac, --uuid, --lease and --wait")
		}
	}
	if r.grant != "" && (r.machines != 0 || r.image != "" || r.writeGrant != "") {
		return errors.New("--ticket says what the room is: leave out --room, --image and --write-ticket")
	}
	return nil
}

// asked reports whether there is to be a room.
func (r *roomFlags) asked() bool { return r.machines != 0 || r.grant != "" }

// Bounds of a room's times: a ticket is good for ten minutes, and the last machine
// still needs its script.
const (
	maxSpread   = 8 * time.Minute
	maxPatience = time.Hour
)

func (r *roomFlags) check() error {
	switch {
	case r.spread < 0 || r.spread > maxSpread:
		return usage("--spread %s: from 0 to %s are possible, for a ticket ends after ten minutes", r.spread, maxSpread)
	case r.patience < time.Second || r.patience > maxPatience:
		return usage("--patience %s: write a time from 1s to %s", r.patience, maxPatience)
	case r.grant == "" && (r.machines < 1 || r.machines > simulate.MaxRoom):
		return usage("--room %d: from 1 to %d machines are possible", r.machines, simulate.MaxRoom)
	}
	return nil
}

// simulateRoom boots a room through an interface.
func (a *app) simulateRoom(ctx context.Context, s simulation) error {
	f := &s.room
	fw, err := simulate.FirmwareByName(s.firmware)
	if err != nil {
		return usage("--firmware %w", err)
	}
	if err := f.check(); err != nil {
		return err
	}
	grant, err := a.roomGrant(ctx, f)
	if err != nil || f.writeGrant != "" {
		return err
	}
	if f.grant == "" {
		defer func() { _ = a.client().EndSimulation(context.WithoutCancel(ctx), grant.Simulation.ID) }() // else it ends by itself
	}
	room, err := a.room(grant, f)
	if err != nil {
		return err
	}
	clients := &simulate.RoomClients{
		Firmware: fw, Simulation: grant.Simulation.ID, Ticket: grant.Simulation.Ticket, Servers: scriptAddresses(grant.Simulation.Servers),
	}
	if err := clients.Boot(room); err != nil {
		return withCode(exitUsage, err)
	}
	ifname, err := simulatedOn(s.ifname, clients.Servers)
	if err != nil {
		return err
	}
	if clients.Wire, err = simulate.OpenWire(ifname); err != nil {
		return simulateError(err)
	}
	defer clients.Wire.Close()
	p := a.progress("")
	room.Progress = func(r simulate.RoomProgress) {
		p.name(roomProgress(len(room.MACs), r))
		p.update(api.Progress{Done: r.Bytes, Total: r.Total})
	}
	report, err := room.Run(ctx)
	p.end()
	if err != nil {
		return err
	}
	if err := a.print(report, func() string { return roomText(report, grant.Trace, f) }); err != nil {
		return err
	}
	if n := report.Machines - report.Booted; n > 0 {
		return withCode(exitFaulty, fmt.Errorf("%d of %s did not boot", n, count(report.Machines, "machine")))
	}
	return nil
}

// roomMACs are hardware addresses that no card has: locally administered ones.
func roomMACs(n int) (all []string) {
	for i := range n {
		all = append(all, net.HardwareAddr{0x06, 0xb0, 0x07, 0, byte(i >> 8), byte(i)}.String())
	}
	return all
}

// roomImage is the image that a room boots.
func (a *app) roomImage(ctx context.Context, image string) (string, error) {
	if image != "" {
		return image, nil
	}
	images, err := a.client().Images(ctx)
	if err != nil {
		return "", err
	}
	var names []string
	for _, i := range images {
		if i.Kind != api.CDROM {
			names = append(names, i.Ref)
		}
	}
	if len(names) != 1 {
		return "", usage("--image is missing: the server has %s", listed(names))
	}
	return names[0], nil
}

func listed(names []string) string {
	if len(names) == 0 {
		return "no image to boot"
	}
	return strings.Join(names, ", ")
}

func (a *app) room(g roomGrant, f *roomFlags) (*simulate.Room, error) {
	if !g.Simulation.Expires.IsZero() && !a.now().Before(g.Simulation.Expires) {
		return nil, withCode(exitRefused, errors.New("the ticket has ended: write another one on the server"))
	}
	r := &simulate.Room{Spread: f.spread, Paced: !f.full, Patience: f.patience, Trace: fromAPI(g.Trace)}
	for _, m := range g.Simulation.Machines {
		mac, err := net.ParseMAC(m.MAC)
		if err != nil {
			return nil, withCode(exitUsage, fmt.Errorf("read ticket: %w", err))
		}
		r.MACs = append(r.MACs, mac)
	}
	if len(r.Trace.Reads) == 0 {
		return nil, usage("the ticket holds no READs")
	}
	return r, nil
}
