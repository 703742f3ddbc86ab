package doctor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"

	"bootes.dev/internal/config"
)

// firewall is what was learnt of this computer's packet filter.
type firewall struct {
	rules  *ruleset
	err    error // why there are no rules to judge
	legacy bool  // there are rules of iptables from before nftables, which were not judged
}

// errNotRoot: only root sees the rules.
var errNotRoot = errors.New("only root sees the rules")

func lookAtFirewall(ctx context.Context) (f firewall) {
	tables, _ := os.ReadFile("/proc/net/ip_tables_names")
	f.legacy = slices.Contains(strings.Fields(string(tables)), "filter")
	var out, complaint bytes.Buffer
	nft := exec.CommandContext(ctx, "nft", "-j", "list", "ruleset")
	nft.Stdout, nft.Stderr = &out, &complaint
	switch err := nft.Run(); {
	case err == nil:
		f.rules, f.err = parseRuleset(out.Bytes())
	case os.Geteuid() != 0:
		f.err = errNotRoot
	case errors.Is(err, exec.ErrNotFound):
		f.err = err
	default:
		f.err = fmt.Errorf("nft: %s", strings.TrimSpace(complaint.String()))
	}
	return f
}

// wanted are the packets that must get through.
func (o Options) wanted(links []link) (all []inbound) {
	for _, l := range links {
		var from netip.Prefix
		if len(l.addrs) > 0 {
			from = l.addrs[0].Masked()
		}
		if l.mode != config.Off {
			all = append(all, inbound{network: "udp", port: 67, device: l.name, from: netip.MustParsePrefix("0.0.0.0/32")})
		}
		if l.mode == config.Proxy || l.mode == config.Auto {
			all = append(all, inbound{network: "udp", port: 4011, device: l.name, from: from})
		}
		ports := o.Config.Ports
		all = append(all,
			inbound{network: "udp", port: ports.TFTP, device: l.name, from: from},
			inbound{network: "tcp", port: ports.HTTP, device: l.name, from: from},
			inbound{network: "tcp", port: ports.ISCSI, device: l.name, from: from},
		)
		if !o.Config.TFTP.SinglePort {
			all = append(all, inbound{network: "udp", port: transferPort, device: l.name, from: from, established: true})
		}
	}
	return all
}

// transferPort stands for those that TFTP transfers go by, which the kernel
// chooses.
const transferPort = 40000

func judgeFirewall(f firewall, wanted []inbound) []Finding {
	g := group{check: "firewall"}
	if f.legacy {
		g.warn("there are rules of the old iptables, which were not judged", "iptables-legacy -L INPUT -n shows them")
	}
	switch {
	case errors.Is(f.err, errNotRoot):
		g.warn("it was not looked at: "+f.err.Error(), "run this as root")
		return g.all
	case errors.Is(f.err, exec.ErrNotFound):
		if !f.legacy {
			g.ok("there is no nft on this computer, so most likely no firewall")
		}
		return g.all
	case f.err != nil:
		g.warn("its rules could not be read: "+f.err.Error(), "nft list ruleset")
		return g.all
	}
	closed, doubtful := f.rules.judge(wanted)
	for _, b := range closed {
		g.fail(fmt.Sprintf("chain %s drops %s", b.chain, b), b.cure())
	}
	for _, b := range doubtful {
		g.warn(fmt.Sprintf("chain %s may drop %s: it has rules that cannot be judged from here", b.chain, b), "if machines do not get that far: "+b.cure())
	}
	if len(closed)+len(doubtful) == 0 {
		g.ok("lets through what machines send")
	}
	return g.all
}

// barrier is a chain that stands in the way of packets of one interface.
type barrier struct {
	chain   *nftChain
	device  string
	packets []inbound
}

func (r *ruleset) judge(wanted []inbound) (closed, doubtful []barrier) {
	for _, p := range wanted {
		switch f, by := r.fate(p); {
		case f == dropped:
			closed = addBarrier(closed, by, p)
		case f&dropped != 0:
			doubtful = addBarrier(doubtful, by, p)
		}
	}
	return closed, doubtful
}

func addBarrier(all []barrier, c *nftChain, p inbound) []barrier {
	for i := range all {
		if all[i].chain == c && all[i].device == p.device {
			all[i].packets = append(all[i].packets, p)
			return all
		}
	}
	return append(all, barrier{c, p.device, []inbound{p}})
}

func (c *nftChain) String() string { return fmt.Sprintf("%s %s %s", c.family, c.table, c.name) }

// ports are those of one protocol, in words for nft and for people.
func (b barrier) ports(network string) (all []string) {
	for _, p := range b.packets {
		if p.network == network && !p.established {
			all = append(all, fmt.Sprint(p.port))
		}
	}
	return all
}

func (b barrier) String() string {
	var all []string
	for _, network := range []string{"udp", "tcp"} {
		if ports := b.ports(network); len(ports) > 0 {
			all = append(all, network+" "+strings.Join(ports, ", "))
		}
	}
	if slices.ContainsFunc(b.packets, func(p inbound) bool { return p.established }) {
		all = append(all, "the answers of TFTP's clients")
	}
	return fmt.Sprintf("%s on %s", strings.Join(all, "; "), b.device)
}

// cure lets the packets in, in the words of what manages the rules.
func (b barrier) cure() string {
	var lines []string
	for _, network := range []string{"udp", "tcp"} {
		ports := b.ports(network)
		switch {
		case len(ports) == 0:
		case b.chain.table == "firewalld":
			for _, p := range ports {
				lines = append(lines, fmt.Sprintf("firewall-cmd --permanent --add-port=%s/%s", p, network))
			}
		case b.managedByUFW():
			lines = append(lines, fmt.Sprintf("ufw allow in on %s proto %s to any port %s", b.device, network, strings.Join(ports, ",")))
		default:
			lines = append(lines, fmt.Sprintf("nft insert rule %s iifname %q %s dport { %s } accept", b.chain, b.device, network, strings.Join(ports, ", ")))
		}
	}
	if b.chain.table == "firewalld" && lines != nil {
		lines = append(lines, "firewall-cmd --reload")
	}
	if slices.ContainsFunc(b.packets, func(p inbound) bool { return p.established }) {
		lines = append(lines, "tftp: {single_port: true} in the config")
	}
	return strings.Join(lines, "; ")
}

func (b barrier) managedByUFW() bool {
	for _, rule := range b.chain.rules {
		for _, e := range rule {
			if to, _ := object(e["jump"])["target"].(string); strings.HasPrefix(to, "ufw-") {
				return true
			}
		}
	}
	return false
}
