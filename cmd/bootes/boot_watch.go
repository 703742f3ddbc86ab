package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"bootes.dev/internal/api"
)

func (a *app) bootWatch() *cobra.Command {
	var events bool
	c := &cobra.Command{
		Use: "watch", Short: "Show the room: who boots, how far, what is wrong", Args: exactly(),
		Long: "Show the room, one line per machine, what is wrong on top, until Ctrl-C: its stage, for how long, how long that\n" +
			"usually takes, how fast its loader or kernel comes or its disks are read and written, and a remark. With --events, or\n" +
			"when the output is no terminal, show boot events of all machines as they happen; with -o json, one event a line.",
		Example: "  bootes boot watch\n  bootes boot watch --events\n  bootes boot watch -o json | jq -r .text",
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if columns, rows := screen(a.out); !events && a.format != "json" && columns > 0 && rows > 0 {
				err = a.watchRoom(cmd.Context())
			} else {
				err = a.watchEvents(cmd.Context())
			}
			if errors.Is(err, context.Canceled) {
				return nil // the way a watch ends
			}
			return err
		},
	}
	c.Flags().BoolVar(&events, "events", false, "show events, one a line, also on a terminal")
	return c
}

func (a *app) watchEvents(ctx context.Context) error {
	ready := func() { fmt.Fprintln(a.errs, "watching; Ctrl-C ends") }
	if a.format == "json" || !terminal(a.errs) {
		ready = nil
	}
	return a.client().Watch(ctx, ready, a.showEvent)
}

func (a *app) showEvent(e api.Event) error {
	if a.format == "json" {
		enc := json.NewEncoder(a.out)
		enc.SetEscapeHTML(false)
		return enc.Encode(e)
	}
	at := e.Time
	if e.Again > 0 {
		at = e.Until
	}
	_, err := fmt.Fprintf(a.out, "%s  %-16s  %-8s  %s%s%s\n", at.Local().Format("15:04:05.000"),
		clean(subject(e.Machine, e.MAC)), clean(string(e.Stage)), mark(e.Level), clean(e.Text), again(e))
	return err
}
