package main

import (
	"fmt"
	"net"

	"github.com/spf13/cobra"

	"bootes.dev/internal/api"
	"bootes.dev/internal/recorder"
)

func (a *app) bootCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "boot",
		Short:   "Boots: what happened, what happens now",
		Long:    "A boot is one attempt of one machine, from its first DHCP packet to the running system.",
		Example: "  bootes boot ls\n  bootes boot log pc01\n  bootes boot watch",
	}
	c.AddCommand(a.bootList(), a.bootLog(), a.bootPcap(), a.bootWatch())
	return group(c)
}

func (a *app) bootLog() *cobra.Command {
	var last int
	var packets bool
	c := &cobra.Command{
		Use: "log MACHINE", Short: "Tell the story of a machine's last boots", Args: exactly("MACHINE"),
		Long: "Tell the story of a machine's last boots, the newest at the end: each stage with how long it took, beside\n" +
			"what it usually takes this machine; what was asked and answered; and of a boot that stopped, what was seen,\n" +
			"the likely causes in order, and what to do. A computer that nobody has added is named by its MAC address.\n" +
			"With --packets also each packet that is kept, > from the machine and < to it; see `bootes boot pcap`.",
		Example: "  bootes boot log pc01\n  bootes boot log 52:54:00:12:34:56\n  bootes boot log pc01 --last 1 -o json\n  bootes boot log pc01 --last 1 --packets",
		RunE: func(cmd *cobra.Command, args []string) error {
			if last < 1 {
				return usage("--last %d: write 1 or more", last)
			}
			name := args[0]
			hw, notMAC := net.ParseMAC(name)
			if notMAC == nil {
				name = hw.String()
			}
			boots, err := a.client().Boots(cmd.Context(), name)
			if notMAC == nil && exitCode(err) == exitNotFound {
				return withCode(exitNotFound, fmt.Errorf("%s has not been seen yet, and no machine has it: `bootes boot watch` shows what arrives", name))
			}
			if err != nil {
				return err
			}
			if len(boots) == 0 {
				return a.print(boots, func() string { return a.unseen(cmd.Context(), name).text(a.now()) })
			}
			boots = boots[:min(last, len(boots))]
			if packets {
				return a.bootLogPackets(cmd.Context(), name, boots)
			}
			return a.print(boots, func() string { return a.bootLogText(name, boots, nil) })
		},
	}
	c.Flags().IntVarP(&last, "last", "n", 3, "how `many` boots")
	c.Flags().BoolVar(&packets, "packets", false, "also the packets that are kept of them")
	return c
}

// bootLogText tells of boots, with their packets unless that is nil.
func (a *app) bootLogText(name string, boots []api.MachineBoot, packets [][]api.PacketLine) string {
	columns, _ := screen(a.out)
	s := story{now: a.now(), ink: a.ink(), columns: columns}
	for i := len(boots) - 1; i >= 0; i-- {
		if packets != nil {
			s.packets = packets[i]
		}
		if s.next = nil; i > 0 {
			s.next = &boots[i-1].Boot
		}
		s.live = boots[i].Now
		s.tell(boots[i].Boot)
		if packets != nil && len(packets[i]) == 0 {
			s.WriteString("  (no packets of it are kept)\n")
		}
		if i > 0 {
			s.WriteByte('\n')
		}
	}
	return s.String()
}

// mark makes trouble stand out, without colour.
func mark(l recorder.Level) string {
	switch l {
	case recorder.Warn:
		return "WARNING: "
	case recorder.Error:
		return "ERROR: "
	}
	return ""
}

func subject(machine, mac string) string {
	if machine == "" {
		return dash(mac)
	}
	return machine
}
