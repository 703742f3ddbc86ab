package api

import "time"

// NewSimulation is the body of POST /v1/simulations.
type NewSimulation struct {
	MACs  []string `json:"macs" minItems:"1" doc:"of the machines to simulate"`
	Image string   `json:"image,omitempty" doc:"name:tag that all of them boot, as machines that there are only in this simulation; default: each is the machine with that MAC"`
}

// Simulation lets clients be served as machines, without a trace.
type Simulation struct {
	ID       string             `json:"id" doc:"in option 61, after bootes-simulate:; no secret"`
	Ticket   string             `json:"ticket" doc:"in the query simulate= of the script's URL; it opens disks, to read: a secret"`
	Servers  []string           `json:"servers" doc:"addresses that scripts are at: the ticket is for no other"`
	Expires  time.Time          `json:"expires"`
	Machines []SimulatedMachine `json:"machines"`
}

// SimulatedMachine is one of them.
type SimulatedMachine struct {
	MAC     string `json:"mac"`
	Machine string `json:"machine,omitempty" doc:"its name; empty: nobody has added it"`
	UUID    string `json:"uuid,omitempty" doc:"as far as it is known"`
	Image   string `json:"image,omitempty" doc:"that it is to boot"`
}
