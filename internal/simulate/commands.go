package simulate

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// command runs one command. errFailed is iPXE's failure; other errors end all.
func (r *runner) command(ctx context.Context, args []string) error {
	name, rest := args[0], args[1:]
	switch name {
	case "echo":
		return r.echo(rest)
	case "set", "clear", "inc", "isset", "iseq":
		return r.setting(name, rest)
	case "item", "menu", "choose", "prompt":
		return r.ask(name, rest)
	case "chain", "imgexec", "boot":
		return r.boot(ctx, name, rest)
	case "kernel", "initrd", "imgfetch", "module", "imgselect", "imgload":
		return r.image(ctx, name, rest)
	case "sanboot", "sanhook":
		return r.san(ctx, name, rest)
	case "dhcp", "ifconf", "ifopen", "ifstat", "iflinkwait", "autoboot":
		return r.card(name, rest)
	case "time":
		if len(rest) > 0 {
			return r.command(ctx, rest)
		}
	case "exit":
		return &leave{text: "the script ends by exit", ok: len(rest) == 0 || rest[0] == "0"}
	case "reboot", "poweroff", "shell":
		return &leave{all: true, text: "the script ends by " + name}
	case "sleep", "imgfree", "imgstat", "imgargs", "imgtrust", "imgverify", "console", "colour", "color", "cpair", "route", "nstat", "ifclose",
		"sanunhook", "show", "config", "login", "params", "param", "nslookup", "ping", "ntp", "cpuid", "sync", "vcreate", "vdestroy", "neighbour", "imgextract", "imgmem", "fcstat", "profstat", "certstat", "pciscan", "usbscan":
		return nil
	}
	r.p.story.add(None, "script", fmt.Sprintf("%s: iPXE has no such command", name))
	return errFailed
}

func (r *runner) echo(words []string) error {
	words = slices.DeleteFunc(words, func(w string) bool { return w == "-n" })
	if line := strings.Join(words, " "); strings.TrimSpace(line) != "" {
		r.p.show(line)
	}
	return nil
}

// Bounds on what is kept of a screen: a loop may show lines of any length for ever.
const (
	screenLines   = 6
	screenColumns = 512
	maxShown      = 200 // lines that are told of
)

// show keeps the last lines of the screen, and tells of the first ones.
func (p *player) show(line string) {
	if len(line) > screenColumns {
		line = strings.ToValidUTF8(line[:screenColumns], "") + "…"
	}
	p.screen = append(p.screen[max(0, len(p.screen)-screenLines+1):], line)
	switch p.shown++; {
	case p.shown <= maxShown:
		p.story.add(None, "screen", line)
	case p.shown == maxShown+1:
		p.story.add(None, "screen", "… and so on")
	}
}

func (r *runner) setting(command string, args []string) error {
	if len(args) == 0 {
		return errFailed
	}
	name, _, _ := strings.Cut(args[0], ":")
	switch command {
	case "isset":
		if args[0] == "" {
			return errFailed
		}
	case "iseq":
		if len(args) == 2 && args[0] == args[1] {
			return nil
		}
		return errFailed
	case "clear":
		delete(r.settings, name)
	case "inc":
		by := 1
		if len(args) > 1 {
			by, _ = strconv.Atoi(args[1])
		}
		n, _ := strconv.Atoi(r.settings[name])
		r.settings[name] = strconv.Itoa(n + by)
	case "set":
		r.settings[name] = strings.Join(args[1:], " ")
	}
	return nil
}

// flags splits options from arguments; those in takes have a value.
func flags(args []string, takes ...string) (given map[string]string, rest []string) {
	given = map[string]string{}
	for i := 0; i < len(args); i++ {
		name, value, joined := strings.Cut(args[i], "=")
		switch {
		case !strings.HasPrefix(args[i], "-"):
			return given, append(rest, args[i:]...)
		case joined || !slices.Contains(takes, name) || i+1 == len(args):
			given[name] = value
		default:
			i++
			given[name] = args[i]
		}
	}
	return given, rest
}

// ask takes what a menu takes when nobody sits there.
func (r *runner) ask(command string, args []string) error {
	switch command {
	case "menu":
		r.menu = nil
	case "item":
		given, rest := flags(args, "--key", "-k", "--menu", "-m")
		if _, gap := given["--gap"]; !gap && len(rest) > 0 {
			r.menu = append(r.menu, item{rest[0], strings.Join(rest[1:], " ")})
		}
	case "prompt":
		return errFailed // nobody presses a key
	case "choose":
		given, rest := flags(args, "--default", "-d", "--timeout", "-t", "--menu", "-m")
		take := given["--default"] + given["-d"]
		if take == "" && len(r.menu) > 0 {
			take = r.menu[0].key
		}
		if take == "" || len(rest) == 0 {
			return errFailed
		}
		r.settings[rest[0]] = take
		text := take
		if i := slices.IndexFunc(r.menu, func(m item) bool { return m.key == take }); i >= 0 && r.menu[i].text != "" {
			text = fmt.Sprintf("%s (%s)", take, r.menu[i].text)
		}
		means := "its time-out takes it"
		if given["--timeout"]+given["-t"] == "" {
			means = "without a time-out it waits for a person: here the default is taken"
		}
		r.p.story.add(None, "menu", text, means)
	}
	return nil
}

// card is what network cards do: there is one, and it has its address.
func (r *runner) card(command string, args []string) error {
	if command == "autoboot" {
		return unclear("the script goes on with iPXE's autoboot, which asks by DHCP again")
	}
	_, cards := flags(args, "--configurator", "-c", "--timeout", "-t")
	if len(cards) > 0 && !slices.Contains([]string{"net0", "netX"}, cards[0]) {
		return errFailed
	}
	return nil
}
