package doctor

import (
	"errors"
	"fmt"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	"bootes.dev/internal/config"
	"bootes.dev/internal/netif/nettest"
)

// firewalls are rules that keep machines out, as they are typed.
var firewalls = []struct {
	name, rules string
	worst       Status
	says        string
}{
	{"closed by policy", `nft '
		table inet filter { chain input {
			type filter hook input priority 0; policy drop;
			iifname "lo" accept
			ct state established,related accept
			tcp dport 22 accept
		}
		}'`, Fail, "chain inet filter input drops udp 67, 69; tcp 80, 3260 on br0"},
	{"closed by a last rule", `nft '
		table ip my {
			chain local {
				tcp dport { 22, 443 } accept
				reject
			}
			chain in {
				type filter hook input priority 0; policy accept;
				ct state vmap { established : accept, invalid : drop }
				iifname vmap { "lo" : accept, "br0" : jump local }
			}
		}'`, Fail, "chain ip my in drops udp 67, 69; tcp 80, 3260 on br0"},
	{"names of ports", `nft '
		table inet filter {
			set open { type inet_service; elements = { 53, 67 }; }
			chain input {
				type filter hook input priority 0; policy drop;
				ct state established accept
				udp dport @open accept
				tcp dport 3000-4000 accept
				ip saddr 10.77.0.0/16 tcp dport 80 accept
				iifname "eth9" accept
			}
		}'`, Fail, "chain inet filter input drops udp 69 on br0"},
	{"an earlier hook", `nft '
		table inet raw { chain pre {
			type filter hook prerouting priority -300; policy accept;
			iifname "br*" udp dport 69 drop
		}
		}'`, Fail, "chain inet raw pre drops udp 69 on br0"},
	{"sent elsewhere", `nft '
		table ip nat { chain pre {
			type nat hook prerouting priority -100; policy accept;
			udp dport 69 redirect to :6969
			tcp dport 80 dnat to 10.77.0.200:8080
			tcp dport 3260 redirect to :3260
		}
		}'`, Fail, "chain ip nat pre sends udp 69; tcp 80 on br0 elsewhere"},
	{"dropped where addresses are translated", `nft '
		table ip nat { chain pre {
			type nat hook prerouting priority -100; policy drop;
			tcp dport 80 accept
			tcp dport 81 redirect to :8081
		}
		}'`, Warn, "chain ip nat pre may drop udp 67, 69; tcp 3260 on br0"},
	{"at the interface", `nft '
		table netdev f { chain in {
			type filter hook ingress device "br0" priority 0; policy accept;
			udp dport 69 drop
		}
		}'`, Warn, "chain netdev f in may drop udp 69 on br0"},
	{"at the bridge's port", `nft '
		table inet f { chain in {
			type filter hook ingress device "port1" priority 0; policy accept;
			iifname "port1" tcp dport 3260 drop
		}
		}'`, Warn, "chain inet f in may drop tcp 3260 on br0"},
	{"in the bridge", `nft '
		table bridge f { chain in {
			type filter hook input priority 0; policy accept;
			ether type ip tcp dport 80 drop
		}
		}'`, Fail, "chain bridge f in drops tcp 80 on br0"},
	{"the old iptables, closed by policy", `
		iptables-legacy -N open
		iptables-legacy -A open -i br+ -p tcp -m multiport --dports 22,79:81 -m comment --comment "two words" -j ACCEPT
		iptables-legacy -A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
		iptables-legacy -A INPUT -m limit --limit 1/s -j LOG
		iptables-legacy -A INPUT ! -s 10.78.0.0/16 -j open
		iptables-legacy -P INPUT DROP`, Fail, "chain INPUT of iptables-legacy's table filter drops udp 67, 69; tcp 3260 on br0"},
	{"the old iptables, other tables", `
		iptables-legacy -t nat -A PREROUTING -p udp --dport 69 -j REDIRECT --to-ports 6969
		iptables-legacy -t nat -A PREROUTING -p tcp --dport 80 -j DNAT --to-destination 10.77.0.200:8080
		iptables-legacy -t raw -A PREROUTING -i br0 -p tcp --dport 3260 -j DROP`, Fail, "chain PREROUTING of iptables-legacy's table nat sends udp 69; tcp 80 on br0 elsewhere"},
}

// The remedies for real firewalls are typed in, and looked at again; real packets
// say whether that is so.
func TestFirewall(t *testing.T) {
	nettest.Need(t, "nft", "iptables-legacy", "ping")
	if !nettest.Enter(t) {
		return
	}
	nettest.Bridge(t, "br0", "10.77.0.1/24")
	peer := nettest.Join(t, "br0", "02:00:00:00:00:09", "10.77.0.9/24")
	// The first question for a neighbour may come before the bridge forwards, and
	// is repeated after a second only.
	if out, err := peer.Command(t.Context(), "ping", "-c", "1", "-w", "10", "10.77.0.1").CombinedOutput(); err != nil {
		t.Fatalf("ping: %v: %s", err, out)
	}
	if got := arrive(t, peer); got != "udp 69, tcp 80, tcp 3260" {
		t.Fatalf("without rules there arrive: %s", got)
	}
	for _, tt := range firewalls {
		t.Run(tt.name, func(t *testing.T) {
			sh(t, `nft flush ruleset
				iptables-legacy -P INPUT ACCEPT
				for table in filter nat raw; do iptables-legacy -t $table -F && iptables-legacy -t $table -X; done`)
			sh(t, tt.rules)
			o := Options{Config: configFor(t, config.Server)}
			look := func() []Finding { return judgeFirewall(lookAtFirewall(t.Context()), o.wanted(o.links())) }
			all := look()
			if Worst(all) != tt.worst {
				t.Fatalf("want %s:\n%s", tt.worst, lines(all))
			}
			find(t, all, tt.worst, tt.says)
			if got := arrive(t, peer); got == "udp 69, tcp 80, tcp 3260" {
				t.Errorf("all packets get through")
			}
			for _, f := range all {
				for line := range strings.SplitSeq(strings.TrimPrefix(f.Remedy, "if machines do not get that far: "), "; ") {
					sh(t, line)
				}
			}
			expect(t, "after the remedies", look(), "ok lets through what machines send")
			if got := arrive(t, peer); got != "udp 69, tcp 80, tcp 3260" {
				t.Errorf("after the remedies there arrive: %s", got)
			}
		})
	}
}

func sh(t *testing.T, commands string) {
	t.Helper()
	if out, err := exec.Command("sh", "-ec", commands).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", commands, err, out)
	}
}

// arrive is what of three ports can be reached from another host.
func arrive(t *testing.T, peer *nettest.Peer) string {
	t.Helper()
	var all []string
	c, err := net.ListenPacket("udp4", "10.77.0.1:69")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if out, err := peer.Command(t.Context(), "bash", "-c", "echo x > /dev/udp/10.77.0.1/69").CombinedOutput(); err != nil {
		t.Fatalf("udp 69: %v: %s", err, out)
	}
	c.SetReadDeadline(time.Now().Add(500 * time.Millisecond))
	if _, _, err := c.ReadFrom(make([]byte, 16)); err == nil {
		all = append(all, "udp 69")
	}
	for _, port := range []int{80, 3260} {
		l, err := net.Listen("tcp4", fmt.Sprintf("10.77.0.1:%d", port))
		if err != nil {
			t.Fatal(err)
		}
		if peer.Command(t.Context(), "timeout", "1", "bash", "-c", fmt.Sprintf("exec 3<>/dev/tcp/10.77.0.1/%d", port)).Run() == nil {
			all = append(all, fmt.Sprintf("tcp %d", port))
		}
		l.Close()
	}
	return strings.Join(all, ", ")
}

func TestFirewallThatIsNotRead(t *testing.T) {
	none := &ruleset{}
	absent := fmt.Errorf("nft: %w", exec.ErrNotFound)
	const old = "warn there are rules of the old iptables, which were not judged: iptables-legacy-save: no -> look with `iptables-legacy-save`, or `iptables-save`"
	for _, tt := range []struct {
		name string
		firewall
		want []string
	}{
		{"as a user", firewall{err: errNotRoot}, []string{"warn it was not looked at: only root sees the rules -> run this as root"}},
		{"without nft", firewall{err: absent}, []string{"ok there is no nft on this computer, so most likely no firewall"}},
		{"without nft, with iptables", firewall{err: absent, rules: none}, []string{"ok lets through what machines send"}},
		{"without nft, with unread rules", firewall{err: absent, unread: errors.New("iptables-legacy-save: no")}, []string{old}},
		{"with unread rules", firewall{rules: none, unread: errors.New("iptables-legacy-save: no")}, []string{old}},
		{"broken", firewall{err: errors.New("nft: no")}, []string{"warn its rules could not be read: nft: no -> nft list ruleset"}},
		{"of what is sent", firewall{rules: parseLegacy([]byte("*filter\n:INPUT ACCEPT [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT DROP [0:0]\nCOMMIT\n"))},
			[]string{"warn chain OUTPUT of iptables-legacy's table filter drops what its rules do not let through, and was not judged -> " +
				"look with `iptables-legacy -t filter -S OUTPUT`: what answers machines must get through it"}},
	} {
		expect(t, tt.name, judgeFirewall(tt.firewall, []inbound{{network: "udp", port: 69, device: "eth0"}}), tt.want...)
	}
}
