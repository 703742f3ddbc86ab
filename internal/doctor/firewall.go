package doctor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"

	"bootes.dev/internal/config"
)

// firewall is what was learnt of this computer's packet filters.
type firewall struct {
	rules  *ruleset // nil: none could be read
	err    error    // why those of nftables are not among them
	unread error    // why those of the iptables from before nftables are not; nil: they are, or there are none
}

// errNotRoot: only root sees the rules.
var errNotRoot = errors.New("only root sees the rules")

func lookAtFirewall(ctx context.Context) (f firewall) {
	f.rules, f.err = nftRules(ctx)
	if old, err := legacyRules(ctx); err != nil {
		f.unread = err
	} else if old != nil {
		f.rules = f.rules.with(old)
	}
	return f
}

func nftRules(ctx context.Context) (*ruleset, error) {
	out, err := output(ctx, "nft", "-j", "list", "ruleset")
	switch {
	case err == nil:
		return parseRuleset(out)
	case os.Geteuid() != 0:
		return nil, errNotRoot
	}
	return nil, err
}

// legacyRules are those of the iptables from before nftables, nil if there are
// none. It asks only for tables that are there: asking for others makes them.
func legacyRules(ctx context.Context) (*ruleset, error) {
	if tables, _ := os.ReadFile("/proc/net/ip_tables_names"); len(tables) == 0 {
		return nil, nil
	}
	out, err := output(ctx, "iptables-legacy-save")
	if err != nil {
		return nil, err
	}
	return parseLegacy(out), nil
}

// output is what a program prints, or its complaint.
func output(ctx context.Context, name string, args ...string) ([]byte, error) {
	var out, complaint bytes.Buffer
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdout, cmd.Stderr = &out, &complaint
	err := cmd.Run()
	if text := strings.TrimSpace(complaint.String()); err != nil && text != "" {
		err = fmt.Errorf("%s: %s", name, text)
	}
	return out.Bytes(), err
}

// wanted are the packets that must get through.
func (o Options) wanted(links []link) (all []inbound) {
	cfg := o.Config.Ports
	for _, l := range links {
		p := inbound{network: "udp", device: l.name, ports: l.ports()}
		if len(l.addrs) > 0 {
			p.from = l.addrs[0].Masked()
		}
		add := func(network string, port int) {
			p := p
			p.network, p.port = network, port
			all = append(all, p)
		}
		if l.mode != config.Off {
			all = append(all, inbound{network: "udp", port: 67, device: l.name, ports: p.ports, from: netip.MustParsePrefix("0.0.0.0/32")})
		}
		if l.mode == config.Proxy || l.mode == config.Auto {
			add("udp", 4011)
		}
		add("udp", cfg.TFTP)
		add("tcp", cfg.HTTP)
		add("tcp", cfg.ISCSI)
		if p.established = true; !o.Config.TFTP.SinglePort {
			add("udp", transferPort)
		}
	}
	return all
}

// ports are those of a bridge.
func (l link) ports() []string {
	if l.bridge == nil {
		return nil
	}
	return slices.Sorted(maps.Keys(l.bridge.mtus))
}

// transferPort stands for those that TFTP transfers go by, which the kernel
// chooses.
const transferPort = 40000

func judgeFirewall(f firewall, wanted []inbound) []Finding {
	g := group{check: "firewall"}
	if f.unread != nil {
		g.warn(fmt.Sprintf("there are rules of the old iptables, which were not judged: %v", f.unread), "look with `iptables-legacy-save`, or `iptables-save`")
	}
	switch {
	case errors.Is(f.err, errNotRoot):
		g.warn("it was not looked at: "+f.err.Error(), "run this as root")
	case errors.Is(f.err, exec.ErrNotFound):
		if f.rules == nil && f.unread == nil {
			g.ok("there is no nft on this computer, so most likely no firewall")
		}
	case f.err != nil:
		g.warn("its rules could not be read: "+f.err.Error(), "nft list ruleset")
	}
	if f.rules == nil {
		return g.all
	}
	closed, doubtful := f.rules.judge(wanted)
	for _, b := range closed {
		g.fail(b.does("drops", "sends"), b.cure())
	}
	for _, b := range doubtful {
		g.warn(b.does("may drop", "may send")+": it has rules that cannot be judged from here", "if machines do not get that far: "+b.cure())
	}
	for _, c := range f.rules.other {
		g.warn(fmt.Sprintf("chain %s drops what its rules do not let through, and was not judged", c), fmt.Sprintf("look with `%s`: what answers machines must get through it", c.look()))
	}
	if g.all == nil {
		g.ok("lets through what machines send")
	}
	return g.all
}
