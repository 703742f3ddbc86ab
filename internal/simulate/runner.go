package simulate

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// Bounds on scripts, which may go round for ever.
const (
	maxCommands = 2000
	maxDepth    = 16
)

// runner runs scripts as iPXE does.
type runner struct {
	p        *player
	f        Firmware
	settings settings
	base     *url.URL // what relative names are relative to
	ran      int
	depth    int

	kernel  string   // that boot would run
	initrds []string // for it
	menu    []item
	hooked  bool // a disk was opened by sanhook
}

// item is one of a menu.
type item struct{ key, text string }

func newRunner(p *player, f Firmware, c choice) *runner {
	s := newSettings(f, p.MAC, c)
	s["uuid"] = uuidText(p.UUID)
	return &runner{p: p, f: f, settings: s}
}

// uuidText is a UUID as people write it; "" if it is not known.
func uuidText(u [16]byte) string {
	if u == [16]byte{} {
		return ""
	}
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
}

// errFailed is a command that has failed, as far as the script is told.
var errFailed = errors.New("failed")

// leave ends scripts: all of them, or the innermost.
type leave struct {
	all  bool
	text string
	ok   bool
}

func (l *leave) Error() string { return l.text }

// runScript runs a script that was fetched from u. It ends in a verdict.
func (p *player) runScript(ctx context.Context, f Firmware, c choice, u *url.URL, got fetched) error {
	r := newRunner(p, f, c)
	err := r.script(ctx, u, got.data)
	var out *leave
	switch {
	case errors.As(err, &out):
		return r.over(out.text)
	case err == nil || errors.Is(err, errFailed):
		return r.over("the script ends, and firmware goes on to its next boot device")
	}
	return err
}

// over is the verdict of scripts that have led to nothing.
func (r *runner) over(text string) error {
	r.p.story.bad(None, "script", text)
	if len(r.p.screen) > 0 {
		text = fmt.Sprintf("the machine boots nothing, and shows: %s", strings.Join(r.p.screen, " / "))
	}
	return fails(text)
}

// script runs one script to its end.
func (r *runner) script(ctx context.Context, u *url.URL, b []byte) error {
	if r.depth++; r.depth > maxDepth {
		return r.over(fmt.Sprintf("a loop: scripts chain one another, %d deep", maxDepth))
	}
	defer func(base *url.URL) { r.depth--; r.base = base }(r.base)
	r.base = u
	all := lines(b)
	for at := 1; at < len(all); at++ {
		line := all[at]
		if line == "" || line[0] == '#' || line[0] == ':' {
			continue
		}
		to, err := r.line(ctx, line)
		var out *leave
		switch {
		case errors.As(err, &out) && !out.all && out.ok:
			return nil
		case errors.As(err, &out) && !out.all:
			return errFailed
		case errors.Is(err, errFailed):
			r.p.story.add(None, "script", "it stops here: "+line, "a command that fails ends the script unless || follows")
			return err
		case err != nil:
			return err
		case to == "":
			continue
		}
		if at = label(all, to); at < 0 {
			r.p.story.add(None, "script", fmt.Sprintf("goto %s: there is no such label", to))
			return errFailed
		}
	}
	return nil
}

// line runs the commands of a line. to is the label to go to.
func (r *runner) line(ctx context.Context, line string) (to string, err error) {
	run := true
	for _, c := range commands(line) {
		switch c.after {
		case "||":
			run = err != nil
		case "&&":
			run = err == nil
		case ";":
			run = true
		}
		if !run {
			continue
		}
		for i, arg := range c.args { // now, not before: what runs before it may set it
			c.args[i] = r.settings.expand(arg)
		}
		if len(c.args) == 0 {
			err = nil
			continue
		}
		if r.ran++; r.ran > maxCommands {
			return "", r.over("a loop: the script goes round for ever")
		}
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		if c.args[0] == "goto" && len(c.args) > 1 {
			return c.args[1], nil
		}
		if err = r.command(ctx, c.args); err != nil && !errors.Is(err, errFailed) {
			return "", err
		}
	}
	return "", err
}
