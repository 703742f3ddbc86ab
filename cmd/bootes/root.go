package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"bootes.dev/internal/api"
	"bootes.dev/internal/config"
)

// app is what all commands share.
type app struct {
	in        *os.File
	out, errs io.Writer
	now       func() time.Time

	socket string // --socket
	format string // -o
	ran    bool   // the command line was understood
}

// run runs one command line and returns the exit code.
func run(ctx context.Context, args []string, out, errs io.Writer) int {
	a := &app{in: os.Stdin, out: out, errs: errs, now: time.Now}
	return a.run(ctx, args)
}

func (a *app) run(ctx context.Context, args []string) int {
	root := a.root()
	root.SetArgs(args)
	root.SetOut(a.out)
	root.SetErr(a.errs)
	cmd, err := root.ExecuteContextC(ctx)
	return a.report(cmd, err)
}

// report tells the user about err, once, and returns the exit code.
func (a *app) report(cmd *cobra.Command, err error) int {
	if err != nil && !a.ran {
		err = withCode(exitUsage, err) // cobra's own: flags, arguments, commands
	}
	code := exitCode(err)
	switch {
	case err == nil:
	case code == exitInterrupted && errors.Is(err, context.Canceled):
		fmt.Fprintln(a.errs, "bootes: interrupted")
	default:
		fmt.Fprintf(a.errs, "bootes: %v\n", err)
	}
	if err != nil && !a.ran {
		fmt.Fprintf(a.errs, "`%s --help` shows how it is used\n", cmd.CommandPath())
	}
	return code
}

func (a *app) root() *cobra.Command {
	socket := os.Getenv("BOOTES_SOCKET")
	if socket == "" {
		socket = config.Default().API.Socket
	}
	root := &cobra.Command{
		Use:   "bootes",
		Short: "Boot computers without disks",
		Long: "Boötes boots whole rooms of computers without disks: each gets a private copy-on-write\n" +
			"clone of a golden image, over the network.",
		Example:       "  bootes image build debian:12\n  bootes machine add pc01 --mac 52:54:00:12:34:56 --image debian:12\n  bootes boot watch",
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if formats := append(slices.Clone(usualFormats), pictures(cmd)...); !slices.Contains(formats, a.format) {
				return fmt.Errorf("-o %q is no output format: write %s", a.format, oneOf(formats))
			}
			a.ran = true
			return nil
		},
	}
	f := root.PersistentFlags()
	f.StringVar(&a.socket, "socket", socket, "`path` of the server's socket; also by BOOTES_SOCKET")
	f.StringVarP(&a.format, "output-format", "o", "table", "output `format`: table or json")
	root.AddCommand(a.serveCommand(), a.imageCommand(), a.machineCommand(), a.volumeCommand(),
		a.bootCommand(), a.dhcpSnippetCommand(), a.dhcpStatusCommand(), a.dfCommand(), a.loadersCommand(), a.doctorCommand(), a.simulateCommand(), a.leaseCommand(), a.versionCommand(), exitCodesTopic())
	return group(root)
}

// group makes a command out of its subcommands: alone it shows its help, and a
// word it does not know is an error (cobra would show the help and succeed).
func group(c *cobra.Command) *cobra.Command {
	c.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		err := fmt.Errorf("unknown command %q for %q", args[0], cmd.CommandPath())
		if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
			err = fmt.Errorf("%w: did you mean %q?", err, near[0])
		}
		return err
	}
	c.SuggestionsMinimumDistance = 2
	c.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	return c
}

func exitCodesTopic() *cobra.Command {
	return &cobra.Command{Use: "exit-codes", Short: "What the exit codes mean", Long: "Exit codes of bootes:\n\n" + exitCodesText}
}

// exactly wants the named arguments, and says which is missing.
func exactly(names ...string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) < len(names) {
			return fmt.Errorf("%s is missing", names[len(args)])
		}
		if len(args) > len(names) {
			return fmt.Errorf("%q is one argument too many", args[len(names)])
		}
		return nil
	}
}

// some wants one argument or more.
func some(name string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) == 0 {
			return fmt.Errorf("%s is missing", name)
		}
		return nil
	}
}

func usage(format string, args ...any) error {
	return withCode(exitUsage, fmt.Errorf(format, args...))
}

func (a *app) client() *api.Client { return api.NewClient(a.socket) }
