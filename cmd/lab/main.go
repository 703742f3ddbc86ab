// Command lab runs Boötes in a private network with computers that have no
// disks: the demo and the benchmarks. It is a tool of this repository, not
// part of the product; `make demo` and `make bench` call it.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"syscall"

	"github.com/spf13/cobra"

	"bootes.dev/internal/cow/cowbench"
	"bootes.dev/internal/demo"
	"bootes.dev/internal/lab/bench"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	if err := command().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "lab:", err)
		os.Exit(1)
	}
}

func command() *cobra.Command {
	c := &cobra.Command{
		Use: "lab", Short: "Boötes in a private network", SilenceUsage: true, SilenceErrors: true,
		PersistentPreRunE: func(*cobra.Command, []string) error {
			if os.Geteuid() != 0 {
				return errors.New("the lab makes network namespaces and bridges: run it as root")
			}
			return nil
		},
	}
	c.AddCommand(demoCommand(), downCommand(), consoleCommand(), resetCommand(), benchCommand(), loadCommand(), floorCommand(), clonesCommand(), roomCommand(), exchangeCommand())
	return c
}

func demoCommand() *cobra.Command {
	var keep, kept bool
	c := &cobra.Command{
		Use: "demo", Short: "Boot two machines without disks", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			self, err := os.Executable()
			if err != nil {
				return err
			}
			config, err := filepath.Abs("demo/bootes.yaml")
			if err != nil {
				return err
			}
			if keep {
				return demo.Detached(cmd.Context(), os.Stdout, self, "demo", "--kept")
			}
			o := demo.Options{
				Program: filepath.Join(filepath.Dir(self), "bootes"), Lab: self,
				Config: config, Out: os.Stdout,
			}
			if kept {
				o.Keep = demo.MarkUp
			}
			return demo.Run(cmd.Context(), o)
		},
	}
	c.Flags().BoolVar(&keep, "keep", false, "leave the lab up, until `lab down`")
	c.Flags().BoolVar(&kept, "kept", false, "be the process that a kept lab lives in")
	_ = c.Flags().MarkHidden("kept")
	return c
}

func benchCommand() *cobra.Command {
	o := bench.Options{Out: os.Stdout, Say: os.Stderr}
	eng := cowbench.Options{Out: os.Stdout}
	engine := true
	var loads, parts string
	c := &cobra.Command{
		Use: "bench", Short: "Measure beside plain files, qcow2, dnsmasq, tgt, tftpd-hpa and nginx", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if loads != "" {
				re, err := regexp.Compile(loads)
				if err != nil {
					return fmt.Errorf("read --loads: %w", err)
				}
				o.Loads, o.Rounds, o.Files, o.DHCP, engine = re, 0, false, false, false
			}
			if parts != "" {
				re, err := regexp.Compile(parts)
				if err != nil {
					return fmt.Errorf("read --parts: %w", err)
				}
				eng.Parts, o.Parts, o.Rounds, o.ISCSI, o.Files = re, re, 0, false, false
			}
			if engine {
				if err := cowbench.Run(cmd.Context(), eng); err != nil {
					return err
				}
			}
			if o.Rounds == 0 && o.Seconds == 0 {
				return nil
			}
			self, err := os.Executable()
			if err != nil {
				return err
			}
			o.Program, o.Lab, o.Quick = filepath.Join(filepath.Dir(self), "bootes"), self, eng.Quick
			if o.Quick {
				o.Rounds, o.Seconds, o.Storm = 0, min(o.Seconds, 0.2), []int{1, 3}
			}
			return bench.Run(cmd.Context(), o)
		},
	}
	c.Flags().IntVar(&o.Rounds, "rounds", 3, "boots of each firmware on each server; 0: none")
	c.Flags().Float64Var(&o.Seconds, "seconds", 2, "length of each measurement of a server; 0: none")
	c.Flags().BoolVar(&o.ISCSI, "iscsi", true, "measure the iSCSI target")
	c.Flags().BoolVar(&o.DHCP, "dhcp", true, "measure DHCP")
	c.Flags().BoolVar(&o.Files, "files", true, "measure TFTP and HTTP")
	c.Flags().IntSliceVar(&o.Storm, "storm", []int{1, 10, 50}, "how many machines boot at once, rising; 1000 takes minutes")
	c.Flags().StringVar(&loads, "loads", "", "measure only the iSCSI loads whose names match this `expression`, as 'sequential|iscsi-perf'")
	c.Flags().StringVar(&parts, "parts", "", "measure only the parts of the engine and of DHCP whose names match this `expression`: clones, reads, versions, large map, writes, page cache, sealing, removing, import, syncs, qcow2, growth, depths; exchange rates, exchange times, rooms")
	c.Flags().BoolVar(&o.UEFI, "uefi", false, "boots of UEFI only")
	c.Flags().BoolVar(&engine, "engine", true, "measure the copy-on-write engine")
	c.Flags().StringVar(&eng.Dir, "dir", "/var/tmp", "where the engine is measured: a real disk with 8 GiB free")
	c.Flags().BoolVar(&eng.Quick, "quick", false, "measure tiny disks for an instant and boot nothing: shows that it works")
	return c
}

func downCommand() *cobra.Command {
	return &cobra.Command{
		Use: "down", Short: "End a lab that was left up", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return demo.Down(cmd.Context(), os.Stdout) },
	}
}

func consoleCommand() *cobra.Command {
	return &cobra.Command{
		Use: "console MACHINE", Short: "Join the console of a machine", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			raw := exec.Command("stty", "raw", "-echo")
			raw.Stdin = os.Stdin
			if raw.Run() == nil {
				defer func() {
					sane := exec.Command("stty", "sane")
					sane.Stdin = os.Stdin
					_ = sane.Run()
				}()
			}
			return demo.Console(args[0], os.Stdin, os.Stdout)
		},
	}
}

func resetCommand() *cobra.Command {
	return &cobra.Command{
		Use: "reset MACHINE", Short: "Press the reset button of a machine", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return demo.Reset(args[0], os.Stdout) },
	}
}
