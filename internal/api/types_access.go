package api

// Access says from where, and as whom, a machine's disks may be opened, beside
// the secret that is always needed.
type Access struct {
	From       []string `json:"from" doc:"networks, or addresses, of the initiator; none: any"`
	Initiators []string `json:"initiators" doc:"iSCSI names that may be used beside the machine's own"`
	Lease      bool     `json:"lease" doc:"only from the address that one of the machine's network cards has"`
}

// AccessChange is what is to change of an Access; what is not given stays.
type AccessChange struct {
	From       *[]string `json:"from,omitempty" doc:"replaces all; empty: any"`
	Initiators *[]string `json:"initiators,omitempty" doc:"replaces all; empty: only the machine's own"`
	Lease      *bool     `json:"lease,omitempty"`
}
