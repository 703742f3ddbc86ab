package scsi

import "fmt"

// Reservations is who has reserved a disk, and who has registered to do so.
type Reservations struct {
	Type       string         // in SPC-4's words; "": nobody has reserved it
	Holders    []string       // names of initiator ports
	Registered []Registration // in the order in which they came
	Kept       bool           // they outlast a restart (APTPL)
}

// Registration is the key of an initiator port.
type Registration struct {
	Port string
	Key  uint64
}

// Any tells whether there is anything to tell.
func (r Reservations) Any() bool { return r.Type != "" || len(r.Registered) > 0 }

// Reservations are those of now, and the one of RESERVE (6).
func (d *Disk) Reservations() Reservations {
	r := d.res.persistent.Load().report()
	if n := d.res.simple.Load(); n != nil {
		r.Type, r.Holders = "whole unit (RESERVE 6)", []string{n.ports.initiator}
	}
	return r
}

// KeptReservations reads what a Keeper has kept.
func KeptReservations(data []byte) (Reservations, error) {
	if len(data) == 0 {
		return Reservations{}, nil
	}
	p, err := decodePersistent(data)
	if err != nil {
		return Reservations{}, fmt.Errorf("read persistent reservations: %w", err)
	}
	return p.report(), nil
}

// ClearReservations forgets all reservations and registrations, also those kept,
// and tells all initiators. It is for those whose holder never comes back.
func (d *Disk) ClearReservations() error {
	if err := d.clearPersistent(); err != nil {
		return fmt.Errorf("clear persistent reservations: %w", err)
	}
	d.announce(nil, ReservationsPreempted)
	return nil
}

func (d *Disk) clearPersistent() error {
	d.res.making.Lock()
	defer d.res.making.Unlock()
	next := &persistent{generation: d.res.persistent.Load().generation + 1}
	if err := d.keepPersistent(next); err != nil {
		return err
	}
	d.reserve(next, nil)
	return nil
}

// typeNames are those of SPC-4, table 190.
var typeNames = map[byte]string{
	writeExclusive:            "write exclusive",
	exclusive:                 "exclusive access",
	writeExclusiveRegistrants: "write exclusive, registrants only",
	exclusiveRegistrants:      "exclusive access, registrants only",
	writeExclusiveAll:         "write exclusive, all registrants",
	exclusiveAll:              "exclusive access, all registrants",
}

func (p *persistent) report() Reservations {
	r := Reservations{Type: typeNames[p.kind], Kept: p.keep}
	for _, reg := range p.list {
		r.Registered = append(r.Registered, Registration{reg.initiator, reg.key})
		if p.holds(reg.ports) {
			r.Holders = append(r.Holders, reg.initiator)
		}
	}
	return r
}
