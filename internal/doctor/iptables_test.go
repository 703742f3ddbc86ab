package doctor

import (
	"net/netip"
	"slices"
	"testing"
)

func TestLegacyRules(t *testing.T) {
	for _, tt := range []struct {
		name, rules string
		want        fate // of udp 69 from 10.77.0.0/24
	}{
		{"nothing", "", accepted},
		{"another interface", "-A INPUT -i eth1 -j DROP", accepted},
		{"any but this", "-A INPUT ! -i eth+ -j DROP", accepted},
		{"another protocol", "-A INPUT -p tcp -m tcp --dport 69 -j DROP", accepted},
		{"this port", "-A INPUT -p udp -m udp --dport 69 -j DROP", dropped},
		{"other ports", "-A INPUT -p udp -m udp ! --dport 60:70 -j DROP", accepted},
		{"several ports", "-A INPUT -p udp -m multiport --dports 67,68:70 -j REJECT --reject-with icmp-port-unreachable", dropped},
		{"from elsewhere", "-A INPUT -s 10.78.0.0/16 -j DROP", accepted},
		{"from there", "-A INPUT -s 10.77.0.0/16 -j DROP", dropped},
		{"from some", "-A INPUT -s 10.77.0.9/32 -j DROP", accepted | dropped},
		{"flows", "-A INPUT -m state --state RELATED,ESTABLISHED -j DROP", accepted},
		{"new flows", "-A INPUT -m conntrack --ctstate NEW -j DROP", dropped},
		{"a match of others", "-A INPUT -m physdev --physdev-in eth1 -j DROP", accepted | dropped},
		{"a match without options", "-A INPUT -m socket -j DROP", accepted | dropped},
		{"what only counts", "-A INPUT -j LOG --log-prefix \"-j DROP \\\" \"\n-A INPUT -p udp", accepted},
		{"a chain that returns", "-A own -p tcp -j DROP\n-A own -j RETURN\n-A own -j DROP\n-A INPUT -j own", accepted},
		{"a chain that drops", "-A own -g INPUT -p udp\n-A INPUT -p udp -j own\n-A INPUT -j DROP", accepted | dropped}, // a loop, which the kernel refuses
		{"a chain that is gone to", "-A own -p tcp -j DROP\n-A INPUT -g own\n-A INPUT -j DROP", accepted},
		{"handed to a program", "-A INPUT -j NFQUEUE --queue-num 0", accepted | dropped},
		{"a chain that is not there", "-A INPUT -j nowhere", accepted | dropped},
	} {
		r := parseLegacy([]byte("*filter\n:INPUT ACCEPT [0:0]\n:own - [0:0]\n" + tt.rules + "\nCOMMIT\n"))
		got, _ := r.fate(inbound{network: "udp", port: 69, device: "eth0", from: netip.MustParsePrefix("10.77.0.0/24")})
		if got != tt.want {
			t.Errorf("%s: fate %b, want %b", tt.name, got, tt.want)
		}
	}
}

func TestFields(t *testing.T) {
	got := fields(`-A INPUT --comment "two \"words\"  \\" -j "" x`)
	if want := []string{"-A", "INPUT", "--comment", `two "words"  \`, "-j", "", "x"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// FuzzLegacy looks for rules that cannot be judged without falling over them.
func FuzzLegacy(f *testing.F) {
	f.Add([]byte("*nat\n:PREROUTING DROP [0:0]\n-A PREROUTING ! -i lo+ -p udp -m udp --dport 67:68 -j REDIRECT --to-ports 1-2\nCOMMIT\n"))
	f.Add([]byte("*filter\n:INPUT ACCEPT [0:0]\n:a - [0:0]\n-A INPUT -m comment --comment \"a \\\"b\" -g a\n-A a -j INPUT\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		got, _ := parseLegacy(text).fate(inbound{network: "udp", port: 67, device: "eth0"})
		if got&(accepted|dropped|redirected) == 0 || got&undecided != 0 {
			t.Errorf("a packet's fate is %b", got)
		}
	})
}
