package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"runtime/debug"

	"github.com/spf13/cobra"

	"bootes.dev/internal/lab/room"
)

// roomCommand and exchangeCommand are processes of a benchmark.
func roomCommand() *cobra.Command {
	return jsonCommand("room", "Be many machines that are switched on at once", room.Boot)
}

func exchangeCommand() *cobra.Command {
	return jsonCommand("exchange", "Put load on a DHCP server", room.Exchange)
}

// clientMemory is what a client may use, in bytes, before it collects garbage: a
// collection of its own would be taken for a slow server.
const clientMemory = 1 << 30

// jsonCommand does what its argument says, and prints what came of it.
func jsonCommand[O, R any](name, short string, do func(context.Context, O) (R, error)) *cobra.Command {
	return &cobra.Command{
		Use: name + " JSON", Short: short, Args: cobra.ExactArgs(1), Hidden: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			var o O
			if err := json.Unmarshal([]byte(args[0]), &o); err != nil {
				return fmt.Errorf("read options of %s: %w", name, err)
			}
			debug.SetGCPercent(-1)
			debug.SetMemoryLimit(clientMemory)
			r, err := do(cmd.Context(), o)
			if err != nil {
				return err
			}
			return json.NewEncoder(os.Stdout).Encode(r)
		},
	}
}
