package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"

	"github.com/spf13/cobra"

	"bootes.dev/internal/config"
)

func (a *app) serveCommand() *cobra.Command {
	var path string
	var check, show bool
	c := &cobra.Command{
		Use:   "serve",
		Short: "Run the server",
		Long: "Run the server: DHCP, TFTP, HTTP and iSCSI on the interfaces that the config file names, and\n" +
			"the API on its unix socket. It ends in good order at SIGTERM or Ctrl-C; machines that are\n" +
			"running wait for it to come back. With -o json its log is JSON.",
		Example: "  bootes serve --print-config > /etc/bootes/bootes.yaml\n" +
			"  bootes serve --check-config\n" +
			"  bootes serve --config /etc/bootes/bootes.yaml",
		Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if show {
				_, err := io.WriteString(a.out, config.Example)
				return err
			}
			cfg, err := config.Load(path)
			if check {
				return a.checkConfig(path, cfg, err)
			}
			if rights := checkPrivileges(); rights != nil && errors.Is(err, fs.ErrPermission) {
				return rights // of two obstacles the one that sudo takes away
			}
			if err != nil {
				return err
			}
			return serve(cmd.Context(), cfg, a.logger(cfg.Log.Level))
		},
	}
	f := c.Flags()
	f.StringVarP(&path, "config", "c", config.DefaultPath, "config `file`")
	f.BoolVar(&check, "check-config", false, "only report every fault of the config file")
	f.BoolVar(&show, "print-config", false, "only print a config file with every key, its default and what it does")
	return c
}

func (a *app) logger(level slog.Level) *slog.Logger {
	o := &slog.HandlerOptions{Level: level}
	if a.format == "json" {
		return slog.New(slog.NewJSONHandler(a.errs, o))
	}
	return slog.New(slog.NewTextHandler(a.errs, o))
}

type checked struct {
	File   string        `json:"file"`
	Good   bool          `json:"good"`
	Faults config.Faults `json:"faults"`

	Warnings []config.Warning `json:"warnings,omitempty"`
}

// checkConfig reports on a config that was loaded, or was not because of err.
func (a *app) checkConfig(path string, cfg *config.Config, err error) error {
	v := checked{File: path, Good: err == nil, Faults: config.Faults{}}
	if !errors.As(err, &v.Faults) && err != nil {
		return err
	}
	if err == nil {
		v.Warnings = cfg.Warnings()
		return a.print(v, func() string {
			text := path + " is good\n"
			for _, w := range v.Warnings {
				text += "warning: " + w.String() + "\n"
			}
			return text
		})
	}
	if a.format != "json" {
		return err
	}
	return errors.Join(a.print(v, nil), withCode(exitUsage, fmt.Errorf("%s has faults: %d", path, len(v.Faults))))
}
