package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"bootes.dev/internal/lab/bench"
	"bootes.dev/internal/lab/load"
)

// loadCommand, floorCommand and clonesCommand are processes of a benchmark.
func loadCommand() *cobra.Command {
	return &cobra.Command{
		Use: "load FILE", Short: "Put load on an iSCSI target, as a benchmark does", Args: cobra.ExactArgs(1), Hidden: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			text, err := os.ReadFile(args[0])
			if err != nil {
				return err
			}
			var j load.Job
			if err := json.Unmarshal(text, &j); err != nil {
				return fmt.Errorf("read job: %w", err)
			}
			r, err := load.Run(cmd.Context(), j)
			if err != nil {
				return err
			}
			return json.NewEncoder(os.Stdout).Encode(r)
		},
	}
}

func floorCommand() *cobra.Command {
	return &cobra.Command{
		Use: "floor HOST:PORT", Short: "Be the least that an iSCSI target could be", Args: cobra.ExactArgs(1), Hidden: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			ln, err := load.Listen(args[0])
			if err != nil {
				return err
			}
			return load.Floor(cmd.Context(), ln)
		},
	}
}

func clonesCommand() *cobra.Command {
	return &cobra.Command{
		Use: "clones JSON", Short: "Serve many clones of an image", Args: cobra.ExactArgs(1), Hidden: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			var c bench.Clones
			if err := json.Unmarshal([]byte(args[0]), &c); err != nil {
				return fmt.Errorf("read clones: %w", err)
			}
			return bench.ServeClones(cmd.Context(), c)
		},
	}
}
