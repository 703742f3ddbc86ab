package doctor

import (
	"net/netip"
	"strings"
)

// inbound is the first packet of something that must reach the server.
type inbound struct {
	network     string // "udp" or "tcp"
	port        int
	device      string
	ports       []string     // of that, if it is a bridge
	from        netip.Prefix // where its senders are
	established bool         // it belongs to a flow that this computer has begun
}

// compare is whether what left names of p is right.
func (p inbound) compare(left map[string]any, right any) truth {
	if elem := object(object(right)["elem"]); elem != nil {
		right = elem["val"]
	}
	if meta := object(left["meta"]); meta != nil {
		switch meta["key"] {
		case "iifname", "iif":
			name, ok := right.(string)
			return is(ok && wildcard(name, p.device))
		case "l4proto":
			return is(right == p.network)
		case "nfproto", "protocol":
			return is(right == "ipv4" || right == "ip")
		}
		return maybe
	}
	if ct := object(left["ct"]); ct != nil && ct["key"] == "state" {
		return is(right == map[bool]string{true: "established", false: "new"}[p.established])
	}
	field := object(left["payload"])
	switch {
	case field == nil:
		return maybe
	case field["field"] == "dport" && (field["protocol"] == p.network || field["protocol"] == "th"):
		return within(p.port, right)
	case field["protocol"] == "udp" || field["protocol"] == "tcp":
		if field["protocol"] != p.network {
			return no
		}
		return maybe
	case field["protocol"] == "ether" && field["field"] == "type":
		return is(right == "ip")
	case field["protocol"] == "ip6" || field["protocol"] == "icmp" || field["protocol"] == "icmpv6":
		return no
	case field["protocol"] == "ip" && field["field"] == "protocol":
		return is(right == p.network)
	case field["protocol"] == "ip" && field["field"] == "saddr":
		return p.comesFrom(right)
	}
	return maybe
}

// sent is what becomes of p by a rule that sends it somewhere.
func (p inbound) sent(how string, to map[string]any) fate {
	_, elsewhere := to["addr"]
	port, given := to["port"]
	if how == "fwd" || elsewhere {
		return redirected
	}
	switch n, one := port.(float64); {
	case how == "tproxy": // if there is such a socket
	case !given, n == float64(p.port):
		return accepted
	case one:
		return redirected
	}
	return accepted | redirected
}

// comesFrom is whether all senders, or some, have addresses of right.
func (p inbound) comesFrom(right any) truth {
	var of netip.Prefix
	if prefix := object(object(right)["prefix"]); prefix != nil {
		text, _ := prefix["addr"].(string)
		bits, _ := prefix["len"].(float64)
		a, _ := netip.ParseAddr(text)
		of = netip.PrefixFrom(a, int(bits))
	} else if text, ok := right.(string); ok {
		a, _ := netip.ParseAddr(text)
		of = netip.PrefixFrom(a, 32)
	}
	switch {
	case !of.IsValid() || !p.from.IsValid():
		return maybe
	case of.Bits() <= p.from.Bits() && of.Contains(p.from.Addr()):
		return yes
	case of.Overlaps(p.from):
		return maybe
	}
	return no
}

func within(port int, right any) truth {
	if r, ok := object(right)["range"].([]any); ok && len(r) == 2 {
		first, _ := r[0].(float64)
		last, _ := r[1].(float64)
		return is(float64(port) >= first && float64(port) <= last)
	}
	if name, ok := right.(string); ok {
		return is(services[name] == port)
	}
	return is(right == float64(port))
}

// services are names that nft may print in place of ports (/etc/services).
var services = map[string]int{"bootps": 67, "tftp": 69, "http": 80, "iscsi-target": 3260}

// wildcard matches an interface's name, "br*" all that begin so.
func wildcard(pattern, name string) bool {
	if head, ok := strings.CutSuffix(pattern, "*"); ok {
		return strings.HasPrefix(name, head)
	}
	return pattern == name
}

func is(b bool) truth {
	if b {
		return yes
	}
	return no
}
