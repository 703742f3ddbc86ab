package initiator

import (
	"net"
	"strings"

	"bootes.dev/internal/iscsi/pdu"
)

func appendKeys(b []byte, pairs ...string) []byte {
	for i := 0; i < len(pairs); i += 2 {
		b = pdu.AppendText(b, pairs[i], pairs[i+1])
	}
	return b
}

func parseKeys(text []byte) (map[string]string, error) {
	pairs, err := pdu.ParseText(text)
	keys := make(map[string]string, len(pairs))
	for _, p := range pairs {
		keys[p.Key] = p.Value
	}
	return keys, err
}

func yesNo(v bool) string {
	if v {
		return "Yes"
	}
	return "No"
}

func digestOffer(on bool) string {
	if on {
		return "CRC32C"
	}
	return "None"
}

// portalOf is the host:port in a TargetAddress: host[:port][,group]
// (RFC 7143, 13.8). The port is 3260 unless it is given.
func portalOf(address string) string {
	portal, _, _ := strings.Cut(address, ",")
	if _, _, err := net.SplitHostPort(portal); err != nil && portal != "" {
		return net.JoinHostPort(strings.Trim(portal, "[]"), "3260")
	}
	return portal
}
