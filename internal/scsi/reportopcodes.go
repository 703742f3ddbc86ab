package scsi

import "encoding/binary"

// reportOpcodes answers REPORT SUPPORTED OPERATION CODES (SPC-4, 6.27).
func reportOpcodes(d *Disk, c *Command, b []byte) ([]byte, Sense) {
	timeouts := c.CDB[2]&0x80 != 0 // RCTD
	code, action := c.CDB[3], c.CDB.u16(4)
	op := d.commands[code]
	switch option := c.CDB[2] & 7; option {
	case 0:
		return d.commands.describe(b, timeouts), Sense{}
	case 1: // one operation code, which must have no service actions
		if op != nil && op.has {
			return b, badField(2)
		}
	case 2: // one with service actions
		if op == nil || !op.has {
			return b, badField(2)
		}
		op = findAction(op, action)
	case 3: // either
		if op != nil && op.has {
			op = findAction(op, action)
		} else if action != 0 {
			op = nil
		}
	default:
		return b, badField(2)
	}
	return oneOpcode(b, op, timeouts), Sense{}
}

func findAction(op *operation, action uint16) *operation {
	if action > serviceActionMask {
		return nil
	}
	return op.find(byte(action))
}

// noTimeouts is a timeouts descriptor that says nothing.
var noTimeouts = [12]byte{0, 0x0a}

func (s *commandSet) describe(b []byte, timeouts bool) []byte {
	start := len(b)
	b = append(b, 0, 0, 0, 0)
	for _, op := range s {
		for ; op != nil; op = op.next {
			b = op.describe(b, timeouts)
		}
	}
	binary.BigEndian.PutUint32(b[start:], uint32(len(b)-start-4))
	return b
}

func (op *operation) describe(b []byte, timeouts bool) []byte {
	var flags byte
	if timeouts {
		flags |= 0x02 // CTDP
	}
	if op.has {
		flags |= 0x01 // SERVACTV
	}
	b = append(b, op.code, 0, 0, op.action, 0, flags, 0, byte(len(op.usage)))
	if timeouts {
		b = append(b, noTimeouts[:]...)
	}
	return b
}

func oneOpcode(b []byte, op *operation, timeouts bool) []byte {
	if op == nil {
		return append(b, 0, 0x01, 0, 0) // SUPPORT: not supported
	}
	flags := byte(0x03) // SUPPORT: as the standard says
	if timeouts {
		flags |= 0x80 // CTDP
	}
	b = append(b, 0, flags, 0, byte(len(op.usage)))
	b = append(b, op.usage...)
	if timeouts {
		b = append(b, noTimeouts[:]...)
	}
	return b
}
