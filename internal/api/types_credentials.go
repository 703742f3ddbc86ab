package api

import "time"

// Credentials are what firmware or an HBA logs in by, without a script. A
// machine has one pair at most.
type Credentials struct {
	Machine   string   `json:"machine"`
	Portals   []string `json:"portals" doc:"address and port of the server, on each network that it serves"`
	Target    string   `json:"target" doc:"iSCSI name of the machine's target"`
	LUN       int      `json:"lun" doc:"of the disk to boot from"`
	Initiator string   `json:"initiator" doc:"iSCSI name to log in by"`
	RootPaths []string `json:"root_paths" doc:"the same for DHCP option 17 (RFC 4173), one for each portal"`
	User      string   `json:"user" doc:"CHAP name"`
	Secret    string   `json:"secret,omitempty" doc:"CHAP secret; shown only when it is made"`

	ReverseUser   string `json:"reverse_user" doc:"mutual CHAP: the name by which the server proves itself"`
	ReverseSecret string `json:"reverse_secret,omitempty" doc:"its secret; shown only when it is made"`

	Created time.Time  `json:"created"`
	Held    *time.Time `json:"held,omitempty" doc:"since when they hold the disk, if they do now"`
}

// CredentialsRequest is the body of POST /v1/machines/{name}/credentials.
type CredentialsRequest struct {
	Initiator string `json:"initiator,omitempty" doc:"iSCSI name that the firmware or HBA has already; default: the machine's own"`
}
