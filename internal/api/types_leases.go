package api

import "time"

// States of a lease.
const (
	LeaseOffered  = "offered"  // held for the client's REQUEST
	LeaseBound    = "bound"    // its client's until Expires
	LeaseExpired  = "expired"  // kept for its client as long as nobody else needs it
	LeaseDeclined = "declined" // in use by a stranger; nobody's until Expires
)

// Lease is an address that DHCP has given, and who has it.
type Lease struct {
	Address   string    `json:"address"`
	MAC       string    `json:"mac,omitempty" doc:"none: declined"`
	Machine   string    `json:"machine,omitempty" doc:"that has the MAC"`
	Hostname  string    `json:"hostname,omitempty" doc:"as the client was told, or calls itself"`
	State     string    `json:"state" enum:"offered,bound,expired,declined"`
	Network   string    `json:"network" doc:"the first network of the client's link"`
	Interface string    `json:"interface,omitempty" doc:"by which it came"`
	Expires   time.Time `json:"expires"`
}
