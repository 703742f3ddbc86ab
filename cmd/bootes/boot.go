package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"bootes.dev/internal/api"
	"bootes.dev/internal/recorder"
)

func (a *app) bootCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "boot",
		Short:   "Boots: what happened, what happens now",
		Long:    "A boot is one attempt of one machine, from its first DHCP packet to the running system.",
		Example: "  bootes boot log pc01\n  bootes boot watch",
	}
	c.AddCommand(a.bootLog(), a.bootPcap(), a.bootWatch())
	return group(c)
}

func (a *app) bootLog() *cobra.Command {
	var last int
	c := &cobra.Command{
		Use: "log MACHINE", Short: "Show the events of a machine's last boots", Args: exactly("MACHINE"),
		Long: "Show the events of a machine's last boots, the newest boot at the end. A computer that nobody has\n" +
			"added is named by its MAC address.",
		Example: "  bootes boot log pc01\n  bootes boot log 52:54:00:12:34:56\n  bootes boot log pc01 --last 1 -o json",
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
			boots = boots[:min(last, len(boots))]
			return a.print(boots, func() string { return a.bootLogText(name, boots) })
		},
	}
	c.Flags().IntVarP(&last, "last", "n", 3, "how `many` boots")
	return c
}

func (a *app) bootLogText(name string, boots []api.Boot) string {
	if len(boots) == 0 {
		return fmt.Sprintf("%s has not been seen yet: `bootes boot watch` shows what arrives\n", clean(name))
	}
	var b strings.Builder
	for i := len(boots) - 1; i >= 0; i-- {
		boot := boots[i]
		fmt.Fprintf(&b, "boot of %s, %s, reached: %s\n", clean(subject(boot.Machine, boot.MAC)),
			when(a.now(), boot.Started), dash(clean(string(boot.Stage))))
		for _, e := range boot.Events {
			fmt.Fprintf(&b, "  %9s  %-8s  %s%s\n", "+"+offset(e.Time.Sub(boot.Started)), clean(string(e.Stage)), mark(e.Level), clean(e.Text))
		}
		if boot.Dropped > 0 {
			fmt.Fprintf(&b, "  (%d events in between were not kept)\n", boot.Dropped)
		}
		if i > 0 {
			b.WriteByte('\n')
		}
	}
	return b.String()
}

func offset(d time.Duration) string {
	if d >= time.Hour {
		return d.Round(time.Second).String()
	}
	return fmt.Sprintf("%.3fs", d.Seconds())
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

func (a *app) bootWatch() *cobra.Command {
	return &cobra.Command{
		Use: "watch", Short: "Show boot events of all machines as they happen", Args: exactly(),
		Long:    "Show boot events of all machines as they happen, until Ctrl-C. With -o json, one event a line.",
		Example: "  bootes boot watch\n  bootes boot watch -o json | jq -r .text",
		RunE: func(cmd *cobra.Command, _ []string) error {
			ready := func() { fmt.Fprintln(a.errs, "watching; Ctrl-C ends") }
			if a.format == "json" || !terminal(a.errs) {
				ready = nil
			}
			err := a.client().Watch(cmd.Context(), ready, a.showEvent)
			if errors.Is(err, context.Canceled) {
				return nil // the way a watch ends
			}
			return err
		},
	}
}

func (a *app) showEvent(e api.Event) error {
	if a.format == "json" {
		enc := json.NewEncoder(a.out)
		enc.SetEscapeHTML(false)
		return enc.Encode(e)
	}
	_, err := fmt.Fprintf(a.out, "%s  %-16s  %-8s  %s%s\n", e.Time.Local().Format("15:04:05.000"),
		clean(subject(e.Machine, e.MAC)), clean(string(e.Stage)), mark(e.Level), clean(e.Text))
	return err
}
