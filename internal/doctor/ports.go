package doctor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"bootes.dev/internal/config"
	"bootes.dev/internal/dhcp"
	"bootes.dev/internal/netif"
)

// need is a port that the server opens.
type need struct {
	network string // "udp" or "tcp"
	port    int
	device  string // bound to this interface alone; "": to all
	what    string // who uses it
	key     string // of the config, that names another one; "": there is none
}

// needs are the ports of a server on links.
func needs(cfg *config.Config, links []link) (all []need) {
	for _, l := range links {
		if l.mode == config.Off {
			continue
		}
		all = append(all, need{"udp", dhcp.ServerPort, l.name, "DHCP", ""})
		if l.mode != config.Server {
			all = append(all, need{"udp", dhcp.ProxyPort, l.name, "PXE", ""})
		}
	}
	return append(all,
		need{"udp", cfg.Ports.TFTP, "", "TFTP", "ports.tftp"},
		need{"tcp", cfg.Ports.HTTP, "", "HTTP", "ports.http"},
		need{"tcp", cfg.Ports.ISCSI, "", "iSCSI", "ports.iscsi"},
	)
}

// port is a port that is needed, as it is now.
type port struct {
	need
	err    error // of an attempt to bind it; nil: it is free
	holder holder
}

// holder is the program that has a port.
type holder struct {
	name    string // of the process; "": not found
	pid     int
	command string // with its arguments
	unit    string // of systemd; "": none
	ours    bool   // it is the server
}

func lookAtPorts(o Options, links []link) (all []port) {
	for _, n := range needs(o.Config, links) {
		all = append(all, n.look(o.Server))
	}
	return all
}

func (n need) look(server *Server) port {
	p := port{need: n, err: n.bind()}
	if p.err == nil {
		return p
	}
	at := netip.AddrPortFrom(netip.IPv4Unspecified(), uint16(n.port))
	if name, pid, ok := netif.PortHolder(n.network, at); ok {
		p.holder = holder{name: name, pid: pid, command: commandLine(pid), unit: unitOf(pid), ours: server != nil && pid == server.PID}
	} else if server != nil {
		p.holder.ours = os.Geteuid() != 0 // whose sockets are whose only root sees
	}
	return p
}

// bind opens the port as the server would, and closes it.
func (n need) bind() error {
	var lc net.ListenConfig
	if n.device != "" {
		lc.Control = netif.BindToDevice(n.device)
	}
	at := netip.AddrPortFrom(netip.IPv4Unspecified(), uint16(n.port)).String()
	if n.network == "udp" {
		c, err := lc.ListenPacket(context.Background(), "udp4", at)
		if err == nil {
			err = c.Close()
		}
		return err
	}
	c, err := lc.Listen(context.Background(), "tcp4", at)
	if err == nil {
		err = c.Close()
	}
	return err
}

func commandLine(pid int) string {
	text, _ := os.ReadFile(filepath.Join("/proc", fmt.Sprint(pid), "cmdline"))
	return strings.TrimSpace(strings.ReplaceAll(string(text), "\x00", " "))
}

// unitOf is the systemd service that a process belongs to (cgroup v2: "0::/…/x.service").
func unitOf(pid int) string {
	text, _ := os.ReadFile(filepath.Join("/proc", fmt.Sprint(pid), "cgroup"))
	for _, line := range strings.Split(string(text), "\n") {
		for _, part := range strings.Split(line, "/") {
			if strings.HasSuffix(part, ".service") && !strings.HasPrefix(part, "user@") {
				return part
			}
		}
	}
	return ""
}

func judgePorts(all []port) []Finding {
	g := group{check: "ports"}
	var free, ours, closed []string
	for _, p := range all {
		switch {
		case p.err == nil:
			free = append(free, p.String())
		case p.holder.ours:
			ours = append(ours, p.String())
		case errors.Is(p.err, syscall.EADDRINUSE):
			g.fail(fmt.Sprintf("%s is taken by %s", p, p.holder), p.cure())
		case errors.Is(p.err, syscall.ENODEV):
			// Said of the interface.
		case errors.Is(p.err, syscall.EACCES), errors.Is(p.err, syscall.EPERM):
			closed = append(closed, p.String())
		default:
			g.fail(fmt.Sprintf("%s cannot be opened: %v", p, p.err), "")
		}
	}
	if len(closed) > 0 {
		g.warn("not looked at, since this user may not open them: "+strings.Join(closed, ", "), "run this as root")
	}
	if len(free) > 0 {
		g.ok("free: " + strings.Join(free, ", "))
	}
	if len(ours) > 0 {
		g.ok("in use by the server: " + strings.Join(ours, ", "))
	}
	return g.all
}

func (n need) String() string {
	on := ""
	if n.device != "" {
		on = " on " + n.device
	}
	return fmt.Sprintf("%s %d (%s)%s", n.network, n.port, n.what, on)
}

func (h holder) String() string {
	if h.name == "" {
		return "another program"
	}
	who := h.name
	if k, ok := h.known(); ok {
		who = k.name
	}
	in := ""
	if h.unit != "" {
		in = ", " + h.unit
	}
	return fmt.Sprintf("%s (pid %d%s)", who, h.pid, in)
}

// cure is what makes the port free, or spares it.
func (p port) cure() string {
	var ways []string
	k, _ := p.holder.known()
	switch {
	case k.cure != "":
		ways = append(ways, k.cure)
	case p.holder.unit != "":
		ways = append(ways, "systemctl disable --now "+p.holder.unit)
	case p.holder.name != "":
		ways = append(ways, fmt.Sprintf("stop %s", p.holder.name))
	case p.network == "tcp" && p.what == "iSCSI":
		ways = append(ways, "the kernel's own target may have it: targetcli ls")
	default:
		ways = append(ways, fmt.Sprintf("as root, `ss -lnp %s 'sport = :%d'` names it", map[string]string{"udp": "-u", "tcp": "-t"}[p.network], p.port))
	}
	if p.key != "" {
		ways = append(ways, "or set another "+p.key+" in the config")
	}
	if p.what == "DHCP" {
		ways = append(ways, fmt.Sprintf("or, if that server is on this computer for good, serve from another one: no two programs share port %d", p.port))
	}
	return strings.Join(ways, "; ")
}
