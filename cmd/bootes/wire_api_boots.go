package main

import (
	"net/netip"
	"path"

	"bootes.dev/internal/api"
)

// openSessions are those of machines that have their disks open, or are sent
// files.
type openSessions struct{ *house }

func (o openSessions) Traffic() map[string]api.Traffic {
	all := map[string]api.Traffic{}
	for boot, t := range o.targets.Traffic() {
		all[boot] = api.Traffic{ReadBytes: t.Read, WrittenBytes: t.Written, Connected: true}
	}
	return all
}

func (o openSessions) Now(id string) *api.Now {
	m := o.targets.Moved(id)
	n := &api.Now{Traffic: api.Traffic{ReadBytes: m.Read, WrittenBytes: m.Written, Connected: m.Firmware || m.System}, Reads: m.Reads}
	if !n.Connected {
		x, ok := o.Transfers()[id]
		if !ok {
			return nil
		}
		n.Transfer = &x
		return n
	}
	n.Quiet = o.targets.Pace(id).Quiet
	if late, ok := o.boot.Late(id); ok {
		n.Over, n.ReadRate = late.Over, late.Rate()
	}
	return n
}

func (o openSessions) Transfers() map[string]api.Transfer {
	all := map[string]api.Transfer{}
	var boots map[netip.Addr]string
	note := func(to netip.Addr, x api.Transfer) {
		if boots == nil { // most of the time nobody is sent anything
			boots = o.boot.BootsAt()
		}
		if id, ok := boots[to]; ok && x.Size > all[id].Size {
			all[id] = x
		}
	}
	for _, p := range o.byTFTP.UnderWay() {
		if !o.boot.Simulating(p.Simulation) {
			note(p.Client.Addr(), api.Transfer{Name: p.Name, Proto: "TFTP", Began: p.Began, Done: p.Done, Size: p.Size})
		}
	}
	for _, p := range o.byHTTP.UnderWay() {
		note(p.Remote.Addr(), api.Transfer{Name: path.Base(p.Path), Proto: "HTTP", Began: p.Began, Done: p.Done, Size: p.Size})
	}
	return all
}
