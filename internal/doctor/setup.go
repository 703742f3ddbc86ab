package doctor

import (
	"errors"
	"fmt"
	"io/fs"

	"bootes.dev/internal/config"
)

func judgeConfig(cfg *config.Config, err error) []Finding {
	g := group{check: "config"}
	var faults config.Faults
	switch {
	case errors.Is(err, fs.ErrNotExist):
		g.warn("there is no config file yet; what follows is for the defaults, on every interface that is up",
			fmt.Sprintf("bootes serve --print-config > %s, and write the interface to serve into it", cfg.File))
	case errors.As(err, &faults):
		for _, f := range faults {
			g.fail(f.Error(), "correct it in the file; `bootes serve --check-config` looks again")
		}
	case err != nil:
		g.fail(err.Error(), "")
	case len(cfg.Interfaces) == 0:
		g.fail(cfg.File+" names no interface", "write the ones to serve under interfaces: in it")
	default:
		g.ok(cfg.File + " is good")
		for _, w := range cfg.Warnings() {
			g.warn(w.What, w.Right)
		}
	}
	return g.all
}

func judgeServer(s *Server, unheard error, version string) []Finding {
	g := group{check: "server"}
	switch {
	case unheard != nil:
		g.warn("it cannot be asked: "+unheard.Error(), "run this as root, or as a member of the group that the config names under api:")
	case s == nil:
		g.ok("none runs on this computer")
	case s.Version != version:
		g.warn(fmt.Sprintf("bootes %s runs (pid %d), and this program is %s", s.Version, s.PID, version), "systemctl restart bootes")
	default:
		g.ok(fmt.Sprintf("bootes %s runs (pid %d)", s.Version, s.PID))
	}
	return g.all
}
