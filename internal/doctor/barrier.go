package doctor

import (
	"fmt"
	"slices"
	"strings"
)

// barrier is a chain that stands in the way of packets of one interface.
type barrier struct {
	chain     *nftChain
	device    string
	elsewhere bool // it sends them somewhere else, and does not drop them
	packets   []inbound
}

func (r *ruleset) judge(wanted []inbound) (closed, doubtful []barrier) {
	for _, p := range wanted {
		f, by := r.fate(p)
		b := barrier{by, p.device, f&dropped == 0, []inbound{p}}
		switch {
		case f&accepted == 0:
			closed = addBarrier(closed, b)
		case f != accepted:
			doubtful = addBarrier(doubtful, b)
		}
	}
	return closed, doubtful
}

func addBarrier(all []barrier, b barrier) []barrier {
	for i, a := range all {
		if a.chain == b.chain && a.device == b.device && a.elsewhere == b.elsewhere {
			all[i].packets = append(all[i].packets, b.packets...)
			return all
		}
	}
	return append(all, b)
}

func (c *nftChain) String() string {
	if c.family == legacy {
		return fmt.Sprintf("%s of iptables-legacy's table %s", c.name, c.table)
	}
	return fmt.Sprintf("%s %s %s", c.family, c.table, c.name)
}

// look is the command that shows the chain.
func (c *nftChain) look() string {
	if c.family == legacy {
		return fmt.Sprintf("iptables-legacy -t %s -S %s", c.table, c.name)
	}
	return fmt.Sprintf("nft list chain %s", c)
}

// does says what the chain does, or may do, with the packets.
func (b barrier) does(drops, sends string) string {
	if b.elsewhere {
		return fmt.Sprintf("chain %s %s %s elsewhere", b.chain, sends, b)
	}
	return fmt.Sprintf("chain %s %s %s", b.chain, drops, b)
}

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
		case b.chain.family == legacy:
			for _, p := range ports {
				lines = append(lines, fmt.Sprintf("iptables-legacy -t %s -I %s -i %s -p %s --dport %s -j ACCEPT", b.chain.table, b.chain.name, b.device, network, p))
			}
		case b.chain.table == "firewalld":
			for _, p := range ports {
				lines = append(lines, fmt.Sprintf("firewall-cmd --permanent --add-port=%s/%s", p, network))
			}
		case b.managedByUFW():
			lines = append(lines, fmt.Sprintf("ufw allow in on %s proto %s to any port %s", b.device, network, strings.Join(ports, ",")))
		case b.chain.frames: // a bridge's come in by its ports
			lines = append(lines, fmt.Sprintf("nft insert rule %s %s dport { %s } accept", b.chain, network, strings.Join(ports, ", ")))
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
