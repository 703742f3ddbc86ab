package doctor

import (
	"net/netip"
	"testing"
)

// What is managed by a program is opened by that program's words, and what
// cannot be judged is called doubtful.
func TestRulesets(t *testing.T) {
	for _, tt := range []struct{ name, rules, want string }{
		{"none", `[]`, "ok lets through what machines send\n"},
		{"firewalld", `[{"chain": {"family": "inet", "table": "firewalld", "name": "filter_INPUT", "type": "filter", "hook": "input", "policy": "accept"}},
			{"rule": {"family": "inet", "table": "firewalld", "chain": "filter_INPUT", "expr": [{"reject": {"type": "icmpx"}}]}}]`,
			"fail chain inet firewalld filter_INPUT drops udp 69; tcp 3260; the answers of TFTP's clients on eth0 -> " +
				"firewall-cmd --permanent --add-port=69/udp; firewall-cmd --permanent --add-port=3260/tcp; firewall-cmd --reload; tftp: {single_port: true} in the config\n"},
		{"ufw", `[{"chain": {"family": "ip", "table": "filter", "name": "INPUT", "type": "filter", "hook": "input", "policy": "drop"}},
			{"chain": {"family": "ip", "table": "filter", "name": "ufw-before-input"}},
			{"rule": {"family": "ip", "table": "filter", "chain": "INPUT", "expr": [{"counter": {}}, {"jump": {"target": "ufw-before-input"}}]}},
			{"rule": {"family": "ip", "table": "filter", "chain": "ufw-before-input", "expr": [{"match": {"op": "in", "left": {"ct": {"key": "state"}}, "right": ["established", "related"]}}, {"accept": null}]}}]`,
			"fail chain ip filter INPUT drops udp 69; tcp 3260 on eth0 -> ufw allow in on eth0 proto udp to any port 69; ufw allow in on eth0 proto tcp to any port 3260\n"},
		{"iptables' own match", `[{"chain": {"family": "ip", "table": "filter", "name": "INPUT", "type": "filter", "hook": "input", "policy": "accept"}},
			{"rule": {"family": "ip", "table": "filter", "chain": "INPUT", "expr": [{"match": {"op": "==", "left": {"meta": {"key": "l4proto"}}, "right": "tcp"}}, {"xt": null}, {"drop": null}]}}]`,
			"warn chain ip filter INPUT may drop tcp 3260 on eth0: it has rules that cannot be judged from here -> if machines do not get that far: " +
				"nft insert rule ip filter INPUT iifname \"eth0\" tcp dport { 3260 } accept\n"},
		{"a proxy, if it runs", `[{"chain": {"family": "ip", "table": "m", "name": "PRE", "type": "filter", "hook": "prerouting", "policy": "accept"}},
			{"rule": {"family": "ip", "table": "m", "chain": "PRE", "expr": [{"match": {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "dport"}}, "right": 3260}}, {"tproxy": {"port": 5000}}]}}]`,
			"warn chain ip m PRE may send tcp 3260 on eth0 elsewhere: it has rules that cannot be judged from here -> if machines do not get that far: " +
				"nft insert rule ip m PRE iifname \"eth0\" tcp dport { 3260 } accept\n"},
		{"dropped where addresses are translated", `[{"chain": {"family": "ip", "table": "nat", "name": "PRE", "type": "nat", "hook": "prerouting", "policy": "accept"}},
			{"rule": {"family": "ip", "table": "nat", "chain": "PRE", "expr": [{"match": {"op": "==", "left": {"meta": {"key": "l4proto"}}, "right": "tcp"}}, {"drop": null}]}}]`,
			"warn chain ip nat PRE may drop tcp 3260 on eth0: it has rules that cannot be judged from here -> if machines do not get that far: " +
				"nft insert rule ip nat PRE iifname \"eth0\" tcp dport { 3260 } accept\n"},
		{"sent to one of several ports", `[{"chain": {"family": "ip", "table": "nat", "name": "PRE", "type": "nat", "hook": "prerouting", "policy": "accept"}},
			{"rule": {"family": "ip", "table": "nat", "chain": "PRE", "expr": [{"redirect": {"port": {"range": [60, 69]}}}]}}]`,
			"warn chain ip nat PRE may send udp 69; tcp 3260 on eth0 elsewhere: it has rules that cannot be judged from here -> if machines do not get that far: " +
				"nft insert rule ip nat PRE iifname \"eth0\" udp dport { 69 } accept; nft insert rule ip nat PRE iifname \"eth0\" tcp dport { 3260 } accept\n"},
		{"at another interface", `[{"chain": {"family": "netdev", "table": "f", "name": "in", "type": "filter", "hook": "ingress", "dev": "eth1", "policy": "drop"}}]`,
			"ok lets through what machines send\n"},
		{"at this interface", `[{"chain": {"family": "netdev", "table": "f", "name": "in", "type": "filter", "hook": "ingress", "dev": ["eth1", "eth0"], "policy": "accept"}},
			{"rule": {"family": "netdev", "table": "f", "chain": "in", "expr": [{"match": {"op": "==", "left": {"payload": {"protocol": "udp", "field": "dport"}}, "right": "tftp"}}, {"fwd": {"dev": "eth1"}}]}}]`,
			"fail chain netdev f in sends udp 69 on eth0 elsewhere -> nft insert rule netdev f in udp dport { 69 } accept\n"},
		{"a return that ends its chain", `[{"chain": {"family": "ip", "table": "t", "name": "in", "type": "filter", "hook": "input", "policy": "accept"}},
			{"rule": {"family": "ip", "table": "t", "chain": "in", "expr": [{"return": null}]}},
			{"rule": {"family": "ip", "table": "t", "chain": "in", "expr": [{"drop": null}]}}]`,
			"ok lets through what machines send\n"},
		{"what is sent, and ARP", `[{"chain": {"family": "inet", "table": "f", "name": "out", "type": "filter", "hook": "output", "policy": "drop"}},
			{"chain": {"family": "arp", "table": "a", "name": "in", "type": "filter", "hook": "input", "policy": "drop"}}]`,
			"warn chain inet f out drops what its rules do not let through, and was not judged -> look with `nft list chain inet f out`: what answers machines must get through it\n" +
				"warn chain arp a in drops what its rules do not let through, and was not judged -> look with `nft list chain arp a in`: what answers machines must get through it\n"},
		{"other hooks, other families", `[{"chain": {"family": "ip", "table": "nat", "name": "POST", "type": "nat", "hook": "postrouting", "policy": "accept"}},
			{"chain": {"family": "inet", "table": "filter", "name": "forward", "type": "filter", "hook": "forward", "policy": "drop"}},
			{"chain": {"family": "ip6", "table": "filter", "name": "INPUT", "type": "filter", "hook": "input", "policy": "drop"}}]`,
			"ok lets through what machines send\n"},
		{"a map of verdicts with a name", `[{"map": {"family": "inet", "name": "services", "table": "f", "type": "inet_service", "map": "verdict", "elem": [[69, {"accept": null}], [3260, {"drop": null}]]}},
			{"chain": {"family": "inet", "table": "f", "name": "input", "type": "filter", "hook": "input", "policy": "drop"}},
			{"rule": {"family": "inet", "table": "f", "chain": "input", "expr": [{"vmap": {"key": {"payload": {"protocol": "th", "field": "dport"}}, "data": "@services"}}]}},
			{"rule": {"family": "inet", "table": "f", "chain": "input", "expr": [{"accept": null}]}}]`,
			"fail chain inet f input drops tcp 3260 on eth0 -> nft insert rule inet f input iifname \"eth0\" tcp dport { 3260 } accept\n"},
		{"a loop of chains", `[{"chain": {"family": "ip", "table": "t", "name": "a", "type": "filter", "hook": "input", "policy": "accept"}},
			{"rule": {"family": "ip", "table": "t", "chain": "a", "expr": [{"jump": {"target": "a"}}]}}]`,
			"warn chain ip t a may drop udp 69; tcp 3260; the answers of TFTP's clients on eth0: it has rules that cannot be judged from here -> if machines do not get that far: " +
				"nft insert rule ip t a iifname \"eth0\" udp dport { 69 } accept; nft insert rule ip t a iifname \"eth0\" tcp dport { 3260 } accept; tftp: {single_port: true} in the config\n"},
	} {
		r, err := parseRuleset([]byte(`{"nftables": ` + tt.rules + `}`))
		if err != nil {
			t.Fatal(err)
		}
		from := netip.MustParsePrefix("10.77.0.0/24")
		got := lines(judgeFirewall(firewall{rules: r}, []inbound{
			{network: "udp", port: 69, device: "eth0", from: from}, {network: "tcp", port: 3260, device: "eth0", from: from},
			{network: "udp", port: transferPort, device: "eth0", from: from, established: true},
		}))
		if got != tt.want {
			t.Errorf("%s:\n%swant:\n%s", tt.name, got, tt.want)
		}
	}
}

func TestSources(t *testing.T) {
	p := inbound{from: netip.MustParsePrefix("10.77.0.0/24")}
	prefix := func(a string, n int) any {
		return map[string]any{"prefix": map[string]any{"addr": a, "len": float64(n)}}
	}
	for _, tt := range []struct {
		right any
		want  truth
	}{
		{prefix("10.0.0.0", 8), yes}, {prefix("10.77.0.0", 25), maybe}, {prefix("10.78.0.0", 24), no}, {"10.77.0.9", maybe}, {"10.78.0.9", no}, {"no address", maybe},
	} {
		if got := p.comesFrom(tt.right); got != tt.want {
			t.Errorf("from %v: %v, want %v", tt.right, got, tt.want)
		}
	}
}

// FuzzRuleset looks for rules that cannot be judged without falling over them.
func FuzzRuleset(f *testing.F) {
	f.Add([]byte(`{"nftables": [{"chain": {"family": "ip", "table": "t", "name": "a", "type": "filter", "hook": "input", "policy": "drop"}},
		{"set": {"family": "ip", "table": "t", "name": "s", "elem": [67, {"range": [1, 2]}, {"elem": {"val": 80}}]}},
		{"rule": {"family": "ip", "table": "t", "chain": "a", "expr": [{"match": {"op": "!=", "left": {"payload": {"protocol": "udp", "field": "dport"}}, "right": "@s"}}, {"drop": null}]}},
		{"rule": {"family": "ip", "table": "t", "chain": "a", "expr": [{"vmap": {"key": {"ct": {"key": "state"}}, "data": {"set": [["new", {"jump": {"target": "a"}}]]}}}]}}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := parseRuleset(text)
		if err != nil {
			return
		}
		if got, _ := r.fate(inbound{network: "udp", port: 67, device: "eth0"}); got&(accepted|dropped) == 0 || got&undecided != 0 {
			t.Errorf("a packet's fate is %b", got)
		}
	})
}
