package scsi

import "encoding/binary"

// targetPortGroups answers REPORT TARGET PORT GROUPS (SPC-4, 6.37): one group
// with one port, always active and optimized.
func targetPortGroups(_ *Disk, c *Command, b []byte) ([]byte, Sense) {
	const extended = 1 << 5
	const activeOptimized, onlyThat = 0x00, 0x01
	start := len(b)
	b = append(b, 0, 0, 0, 0)
	switch c.CDB[1] & 0xe0 {
	case 0:
	case extended:
		b = append(b, 0x10, 0, 0, 0) // its header: no transition takes time
	default:
		return b, badField(1)
	}
	b = append(b, activeOptimized, onlyThat, 0, portGroup, 0, 0, 0, 1)
	b = append(b, 0, 0, 0, portNumber)
	binary.BigEndian.PutUint32(b[start:], uint32(len(b)-start-4))
	return b, Sense{}
}

// taskFunctions answers REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS (SPC-4,
// 6.36) with those that the transport has.
func taskFunctions(_ *Disk, c *Command, b []byte) ([]byte, Sense) {
	const abortTask, abortTaskSet, clearTaskSet, unitReset = 0x80, 0x40, 0x10, 0x08
	const extended = 0x80 // REPD
	if c.CDB[2]&extended == 0 {
		return append(b, abortTask|abortTaskSet|clearTaskSet|unitReset, 0, 0, 0), Sense{}
	}
	b = append(b, abortTask|abortTaskSet|clearTaskSet|unitReset, 0, 0, 12)
	return append(b, make([]byte, 12)...), Sense{} // and no time-outs
}

// decodeDefects10 and its 12-byte twin: READ DEFECT DATA (SBC-3, 5.17). There
// are no defects, in whatever format.
func decodeDefects10(_ *Disk, cdb *CDB, c *Command) Sense {
	c.Length = int64(cdb.u16(7))
	return Sense{}
}

func defects10(_ *Disk, c *Command, b []byte) ([]byte, Sense) {
	return append(b, 0, c.CDB[2]&0x1f, 0, 0), Sense{}
}

func defects12(_ *Disk, c *Command, b []byte) ([]byte, Sense) {
	return append(b, 0, c.CDB[1]&0x1f, 0, 0, 0, 0, 0, 0), Sense{}
}

// decodeDiagnostic: the default self-test, which finds nothing wrong.
func decodeDiagnostic(_ *Disk, cdb *CDB, _ *Command) Sense {
	const selfTest = 0x04
	switch {
	case cdb[1]&0xf4 != selfTest:
		return badField(1)
	case cdb.u16(3) != 0:
		return badField(3)
	}
	return Sense{}
}
