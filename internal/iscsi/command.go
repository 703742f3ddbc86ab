package iscsi

import (
	"bootes.dev/internal/iscsi/pdu"
	"bootes.dev/internal/scsi"
)

// command serves a SCSI Command PDU. It runs on the reader.
func (s *session) command() error {
	p := &s.req
	if err := p.UnmarshalBinary(s.in.bhs[:]); err != nil {
		return err
	}
	if s.discovery {
		return s.reject(pdu.RejectProtocolError, !p.Immediate)
	}
	t := &s.scratch
	s.aim(t, p)
	u := t.unit
	err := s.serveCommand(t, p)
	u.leave()
	return err
}

func (s *session) serveCommand(t *task, p *pdu.SCSICommand) error {
	if n := int64(p.DataLength); n > 0 && (!s.params.immediateData || n > t.out || n > int64(s.params.firstBurst)) {
		return protocolError("immediate data of %d bytes", n)
	}
	t.arrived = s.srv.now()
	t.clock = t.arrived
	t.fail(t.unit.Disk.Decode(s.nexus, uint8(t.lun), (*scsi.CDB)(&p.CDB), &t.cmd))
	if !t.cmd.TakesData(t.out) {
		t.fail(scsi.BadDataLength)
	}
	if t.status != scsi.Good {
		t.cmd.Kind, t.cmd.Length = scsi.Control, 0
		return s.writeCommand(t, p)
	}
	switch t.cmd.Kind {
	case scsi.Read:
		t.op = OpRead
		return s.readCommand(t)
	case scsi.Control:
		return s.controlCommand(t, p)
	default:
		t.op = opOf(&t.cmd)
		s.note(t)
		return s.writeCommand(t, p)
	}
}

// aim fills in a fresh task from its PDU, and enters its unit.
func (s *session) aim(t *task, p *pdu.SCSICommand) {
	*t = task{s: s, itt: p.ITT, field: p.LUN, lun: -1, counted: !p.Immediate, attr: attribute(p)}
	t.op = opNone
	lun, ok := pdu.LUN(p.LUN)
	if !ok {
		lun = noLUN
	}
	if t.unit = s.hold.enter(lun); t.unit != absent {
		t.lun = int(lun)
	}
	switch {
	case p.Write: // with Read too it is bidirectional; no command here is
		t.out = int64(p.Expected)
	case p.Read:
		t.in = int64(p.Expected)
	}
}

// note tells of the session's first write.
func (s *session) note(t *task) {
	if t.cmd.Kind == scsi.Write && !s.writeSeen {
		s.writeSeen = true
		s.event(FirstWrite, "")
		if !s.info.FromIPXE() {
			s.target.retireFirmware()
		}
	}
}

// controlCommand answers from memory.
func (s *session) controlCommand(t *task, p *pdu.SCSICommand) error {
	if t.out > 0 {
		return s.writeCommand(t, p)
	}
	if err := s.in.end(); err != nil {
		return err
	}
	buf := newBuffer(scsi.UsualAnswer)
	data, sense := t.unit.Disk.Answer(&t.cmd, buf.b[:0])
	t.fail(sense)
	t.total = int64(len(data))
	if t.status != scsi.Good || t.total == 0 || t.in == 0 {
		buf.release()
		s.respond(t, false)
		return nil
	}
	data = data[:min(t.total, t.in)]
	off := int64(0)
	for ; int64(len(data))-off > s.chunk; off += s.chunk {
		s.sendData(t, data[off:off+s.chunk], nil, off, false, false)
	}
	s.sendData(t, data[off:], buf, off, true, false)
	return nil
}
