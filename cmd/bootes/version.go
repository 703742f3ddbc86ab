package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"bootes.dev/internal/api"
)

// release is set by the linker for a release: -X main.release=1.2.3.
var release string

// version names this build: its release, else its commit.
func version() string {
	if release != "" {
		return release
	}
	rev, changed := "", ""
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			switch {
			case s.Key == "vcs.revision":
				rev = s.Value[:min(12, len(s.Value))]
			case s.Key == "vcs.modified" && s.Value == "true":
				changed = "+changes"
			}
		}
	}
	if rev == "" {
		return "dev"
	}
	return "dev-" + rev + changed
}

type versions struct {
	Version string      `json:"version"`
	Go      string      `json:"go"`
	Server  *api.Status `json:"server"` // null: none answered
}

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Show the version of this command and of the server",
		Example: "  bootes version\n  bootes version -o json",
		Args:    exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			v := versions{Version: version(), Go: runtime.Version()}
			server := "none answers at " + a.socket
			if s, err := a.client().Status(cmd.Context()); err == nil {
				v.Server = &s
				server = fmt.Sprintf("%s, process %d, since %s", s.Version, s.PID, when(a.now(), s.Started))
			}
			return a.print(v, func() string { return sheet("bootes", v.Version, "go", v.Go, "server", server) })
		},
	}
}
