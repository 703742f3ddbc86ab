package dhcp

import "strings"

// simulatedID is the client identifier of a simulated client: type 0, which is no
// hardware address (RFC 2132, 9.14), a name, and after a colon which simulation it
// belongs to, if to one. All hosts of the network hear it, so it is no secret.
const simulatedID = "\x00bootes-simulate"

// SimulatedID is option 61 of a client that only looks what a machine would get:
// nothing is kept of it. simulation may be empty.
func SimulatedID(simulation string) []byte {
	if simulation == "" {
		return []byte(simulatedID)
	}
	return []byte(simulatedID + ":" + simulation)
}

// simulated reads option 61.
func simulated(id []byte) (simulation string, ok bool) {
	rest, ok := strings.CutPrefix(string(id), simulatedID)
	simulation, colon := strings.CutPrefix(rest, ":")
	return simulation, ok && (colon || rest == "")
}
