package dhcp

import "strings"

// simulatedID is the client identifier of a simulated client: type 0, which is no
// hardware address (RFC 2132, 9.14), a name, and after a colon its ticket, if it
// has one.
const simulatedID = "\x00bootes-simulate"

// SimulatedID is option 61 of a client that only looks what a machine would get:
// nothing is kept of it. The ticket may be empty.
func SimulatedID(ticket string) []byte {
	if ticket == "" {
		return []byte(simulatedID)
	}
	return []byte(simulatedID + ":" + ticket)
}

// simulated reads option 61.
func simulated(id []byte) (ticket string, ok bool) {
	rest, ok := strings.CutPrefix(string(id), simulatedID)
	ticket, colon := strings.CutPrefix(rest, ":")
	return ticket, ok && (colon || rest == "")
}
