package api

import "time"

// Hardware is what a machine's firmware says of it.
type Hardware struct {
	UUID         string `json:"uuid,omitempty" doc:"of the system, unless it is one that many boards have"`
	Serial       string `json:"serial,omitempty" doc:"likewise"`
	Manufacturer string `json:"manufacturer,omitempty"`
	Product      string `json:"product,omitempty"`
	Memory       int64  `json:"memory,omitempty" doc:"bytes"`
	NIC          string `json:"nic,omitempty" doc:"the card that it boots from: the driver's name, and vendor and device of a PCI card"`
}

// Waiting is a machine that nobody has added, in front of which iPXE says that it
// waits for approval.
type Waiting struct {
	MAC       string    `json:"mac"`
	Interface string    `json:"interface" doc:"of the server, that it came in by"`
	Since     time.Time `json:"since"`
	Seen      time.Time `json:"seen" doc:"when it last asked, to the minute"`
	Like      string    `json:"like,omitempty" doc:"machine whose UUID or serial number it has: it may be that one by another network card"`
	Hardware  Hardware  `json:"hardware"`
}

// Approval is the body of POST /v1/waiting/{mac}/approval. What is not given is
// taken from enrol: of the interface in the server's config.
type Approval struct {
	Name    string `json:"name,omitempty" doc:"default: the next name by the pattern in the config"`
	Image   string `json:"image,omitempty" doc:"name:tag"`
	Mode    string `json:"mode,omitempty" enum:"persistent,ephemeral"`
	Address string `json:"address,omitempty" doc:"IPv4 address to keep for it"`
	Limit   *int64 `json:"limit,omitempty" minimum:"0" doc:"bytes, 0 for none; default: the server's limits.volume"`
}
