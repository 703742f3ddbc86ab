package main

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"bootes.dev/internal/api"
	"bootes.dev/internal/netif"
	"bootes.dev/internal/simulate"
)

// simulation is what `bootes simulate` is asked for.
type simulation struct {
	firmware, mac, ifname, uuid string
	lease                       bool
	wait                        time.Duration
	room                        roomFlags
}

func (a *app) simulateCommand() *cobra.Command {
	var s simulation
	c := &cobra.Command{
		Use: "simulate [MACHINE]", Short: "Play a machine that boots from the network, and tell packet by packet what it would boot and why",
		Args: func(cmd *cobra.Command, args []string) error {
			if s.room.asked() {
				return s.room.alone(cmd, args)
			}
			if len(args) == 0 && s.mac == "" {
				return errors.New("MACHINE is missing: name a machine, or any computer by --mac")
			}
			if len(args) > 0 && s.mac != "" {
				return errors.New("MACHINE and --mac exclude each other: give one")
			}
			return exactly([]string{"MACHINE"}[:len(args)]...)(cmd, args)
		},
		Long: "Play a machine that boots from the network, against this server or any other, and tell packet by packet what it\n" +
			"would boot and why: who offers what, which loader it is, what the script does, whether the disk opens and what\n" +
			"firmware would find on it. It is harmless: nobody keeps a lease, and Boötes keeps nothing; a machine that runs\n" +
			"does not notice. Run it as root, on the server: elsewhere, or as a user who may not use the server's socket, it\n" +
			"ends at the script, which a server gives to the machine alone.\n\n" +
			"Kinds of firmware: " + strings.Join(simulate.Names(), ", ") + ".\n\n" +
			roomHelp +
			"The exit code is 0 if it would boot, 8 if it would not, and 9 if that cannot be told from here.",
		Example: "  bootes simulate pc01\n  bootes simulate pc01 --firmware bios\n  bootes simulate --mac 52:54:00:12:34:56 --firmware http --interface eth0\n" +
			"  bootes simulate pc01 -o json | jq -r .verdict.text\n" + roomExample,
		RunE: func(cmd *cobra.Command, args []string) error {
			if s.room.asked() {
				return a.simulateRoom(cmd.Context(), s)
			}
			if len(args) > 0 {
				m, err := a.client().Machine(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				s.mac = m.MACs[0]
			}
			return a.simulate(cmd.Context(), s)
		},
	}
	f := c.Flags()
	f.StringVar(&s.firmware, "firmware", "efi", "`kind` of firmware that it starts from")
	f.StringVar(&s.mac, "mac", "", "`address` of its network card")
	f.StringVar(&s.ifname, "interface", "", "`name` of the interface to ask on; default: the one that can be meant")
	f.StringVar(&s.uuid, "uuid", "", "its system `UUID`; default: the machine's, or one made of the MAC")
	f.BoolVar(&s.lease, "lease", false, "take the offered lease, too; the server keeps it until it ends")
	f.DurationVar(&s.wait, "wait", 8*time.Second, "`time` to wait for answers")
	s.room.register(f)
	return c
}

func (a *app) simulate(ctx context.Context, s simulation) error {
	fw, err := simulate.FirmwareByName(s.firmware)
	if err != nil {
		return usage("--firmware %w", err)
	}
	mac, err := net.ParseMAC(s.mac)
	if err != nil || len(mac) != 6 {
		return usage("--mac %q is no MAC address: write one such as 52:54:00:12:34:56", s.mac)
	}
	if s.wait < time.Second || s.wait > 5*time.Minute {
		return usage("--wait %s is no time to wait here: write one from 1s to 5m", s.wait)
	}
	o := simulate.Options{MAC: mac, Firmware: fw, Lease: s.lease, Wait: s.wait}
	sim, why := a.ticket(ctx, s.mac)
	if why == nil {
		defer func() { _ = a.client().EndSimulation(context.WithoutCancel(ctx), sim.ID) }() // it ends by itself, too
		o.Simulation, o.Ticket, o.Servers = sim.ID, sim.Ticket, scriptAddresses(sim.Servers)
		if s.uuid == "" {
			s.uuid = sim.Machines[0].UUID
		}
	}
	if o.UUID, err = parseUUID(s.uuid); err != nil {
		return err
	}
	if o.Interface, err = simulatedOn(s.ifname, o.Servers); err != nil {
		return err
	}
	a.tellOf(o, sim, why)
	if a.format != "json" {
		o.Tell = a.tellStep()
	}
	r, err := simulate.Run(ctx, o)
	if err != nil {
		return simulateError(err)
	}
	if why == nil {
		r.Machine = sim.Machines[0].Machine
		r.Remarks, _ = a.client().Remarks(ctx, sim.ID) // without them it is told what was seen from here
		explain(&r)
	}
	return errors.Join(a.print(r, func() string { return verdictText(r) }), verdictCode(r.Verdict))
}

// ticket begins a simulation on the server, if there is one and it lets us.
func (a *app) ticket(ctx context.Context, mac string) (api.Simulation, error) {
	sim, err := a.client().Simulate(ctx, api.NewSimulation{MACs: []string{mac}})
	if err == nil && len(sim.Machines) == 0 {
		err = errors.New("the server simulates nothing")
	}
	return sim, err
}

func scriptAddresses(all []string) (out []netip.Addr) {
	for _, text := range all {
		if a, err := netip.ParseAddr(text); err == nil {
			out = append(out, a)
		}
	}
	return out
}

func parseUUID(text string) (id [16]byte, err error) {
	if text == "" {
		return id, nil
	}
	u, err := uuid.Parse(text)
	if err != nil {
		return id, usage("--uuid %q is no UUID: write one such as 67452301-ab89-efcd-0123-456789abcdef", text)
	}
	return u, nil
}

// simulatedOn is the interface to ask on: one with an address, and of several the
// one that the server serves.
func simulatedOn(name string, servers []netip.Addr) (string, error) {
	if name != "" {
		_, err := netif.ByName(name)
		return name, withCode(exitNotFound, err)
	}
	all, err := netif.List()
	if err != nil {
		return "", err
	}
	var can, serves []string
	for _, i := range all {
		if _, ok := i.IPv4(); !ok || !i.Up || len(i.MAC) != 6 {
			continue
		}
		can = append(can, i.Name)
		if slices.ContainsFunc(i.Addrs, func(p netip.Prefix) bool { return slices.Contains(servers, p.Addr()) }) {
			serves = append(serves, i.Name)
		}
	}
	for _, names := range [][]string{serves, can} {
		if len(names) == 1 {
			return names[0], nil
		}
	}
	if len(can) == 0 {
		return "", withCode(exitNotFound, errors.New("no interface of this computer is up and has an IPv4 address: there is nowhere to ask"))
	}
	return "", usage("this computer has several interfaces to ask on: write --interface %s", strings.Join(can, " or --interface "))
}

// explain puts what the server itself says of a boot that fails before what others
// can think of.
func explain(r *simulate.Report) {
	if n := len(r.Remarks); n > 0 && r.Verdict.Outcome == simulate.Fails {
		last := r.Remarks[n-1]
		for _, why := range []string{"nothing to boot: ", "no answer to ", "no script: ", "no disk: ", "login refused: "} {
			if strings.Contains(last, why) {
				r.Verdict.Remedies = []string{"as the server says: " + last[strings.Index(last, why):]}
			}
		}
	}
}

// simulateError gives faults of this computer their exit code.
func simulateError(err error) error {
	if errors.Is(err, simulate.ErrPrivilege) {
		return withCode(exitMissing, err)
	}
	return err
}

// verdictCode is the error that a boot which does not come to its end, ends with.
func verdictCode(v simulate.Verdict) error {
	switch v.Outcome {
	case simulate.Boots:
		return nil
	case simulate.Unclear:
		return withCode(exitUnclear, errors.New("whether it boots cannot be told from here"))
	}
	return withCode(exitFaulty, errors.New("it would not boot"))
}
