package scsi

import "encoding/binary"

// Service actions of PERSISTENT RESERVE IN (SPC-4, 6.15.1).
const (
	actReadKeys           = 0x00
	actReadReservation    = 0x01
	actReportCapabilities = 0x02
	actReadFullStatus     = 0x03
)

// persistentIn answers all service actions but REPORT CAPABILITIES:
//
//	0 | generation, 4 | length of what follows, 4 | …
func persistentIn(d *Disk, c *Command, b []byte) ([]byte, Sense) {
	p := d.res.persistent.Load()
	start := len(b)
	b = binary.BigEndian.AppendUint32(b, p.generation)
	b = append(b, 0, 0, 0, 0)
	switch c.CDB[1] & serviceActionMask {
	case actReadKeys:
		for _, r := range p.list {
			b = binary.BigEndian.AppendUint64(b, r.key)
		}
	case actReadReservation:
		if p.kind != noReservation {
			b = binary.BigEndian.AppendUint64(b, p.keyOf(p.holder))
			b = append(b, 0, 0, 0, 0, 0, p.kind, 0, 0)
		}
	case actReadFullStatus:
		for _, r := range p.list {
			b = p.appendStatus(b, r)
		}
	}
	binary.BigEndian.PutUint32(b[start+4:], uint32(len(b)-start-8))
	return b, Sense{}
}

// appendStatus appends a full status descriptor (SPC-4, 6.15.5):
//
//	 0 | key, 8                         | reserved, 4 | holder | type | reserved, 4
//	18 | target port, 2 | length, 4     | TransportID
func (p *persistent) appendStatus(b []byte, r registration) []byte {
	var holder, kind byte
	if p.holds(r.ports) {
		holder, kind = 0x01, p.kind
	}
	b = binary.BigEndian.AppendUint64(b, r.key)
	b = append(b, 0, 0, 0, 0, holder, kind, 0, 0, 0, 0, 0, portNumber)
	size := max((len(r.initiator)+1+3)&^3, 20)
	b = binary.BigEndian.AppendUint32(b, uint32(4+size))
	// TransportID: iSCSI, by the name of the initiator's port, in at least 20
	// bytes (SPC-4, 7.6.4.6).
	b = append(b, 0x45, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(size))
	b = append(b, r.initiator...)
	return append(b, make([]byte, size-len(r.initiator))...)
}

// reportCapabilities: ALL_TG_PT is taken, there being one port; PTPL where
// there is somebody to keep it; and all types.
func reportCapabilities(d *Disk, _ *Command, b []byte) ([]byte, Sense) {
	const atpC, ptplC, tmv, ptplA = 0x04, 0x01, 0x80, 0x01
	can, active := byte(atpC), byte(tmv)
	if d.res.keeper != nil {
		can |= ptplC
	}
	if d.res.persistent.Load().keep {
		active |= ptplA
	}
	return append(b, 0, 8, can, active, 0xea, 0x01, 0, 0), Sense{}
}
