package pdu

// Task attributes of a SCSI command (11.3.1).
const (
	AttrUntagged    = 0
	AttrSimple      = 1
	AttrOrdered     = 2
	AttrHeadOfQueue = 3
	AttrACA         = 4
)

// SCSICommand carries a CDB (RFC 7143, 11.3).
//
//	 0 |.|I|   0x01    |F|R|W|. .|ATTR |                               |
//	 8 | LUN                                                           |
//	16 | ITT                                                           |
//	20 | expected data transfer length                                 |
//	24 | CmdSN                                                         |
//	28 | ExpStatSN                                                     |
//	32 | CDB, 16 bytes                                                 |
type SCSICommand struct {
	Immediate   bool
	Final       bool // no unsolicited Data-Out follows
	Read, Write bool
	Attr        byte
	AHSLength   int
	DataLength  int
	LUN         uint64
	ITT         uint32
	Expected    uint32 // bytes
	CmdSN       uint32
	ExpStatSN   uint32
	CDB         [16]byte
}

// AppendBinary appends the header; additional headers are not written.
func (p *SCSICommand) AppendBinary(b []byte) ([]byte, error) {
	h := start(OpSCSICommand, p.Immediate, p.Final)
	h.flag(1, 0x40, p.Read)
	h.flag(1, 0x20, p.Write)
	h[1] |= p.Attr & 7
	h.put64(8, p.LUN)
	h.put32(16, p.ITT)
	h.put32(20, p.Expected)
	h.put32(24, p.CmdSN)
	h.put32(28, p.ExpStatSN)
	copy(h[32:], p.CDB[:])
	return h.finish(b, p.DataLength)
}

// UnmarshalBinary reads the header.
func (p *SCSICommand) UnmarshalBinary(b []byte) error {
	if err := open(b, OpSCSICommand); err != nil {
		return err
	}
	p.Immediate = b[0]&flagImmediate != 0
	p.Final = b[1]&flagFinal != 0
	p.Read, p.Write, p.Attr = b[1]&0x40 != 0, b[1]&0x20 != 0, b[1]&7
	p.AHSLength, p.DataLength = int(b[4])*4, dataLength(b)
	p.LUN, p.ITT, p.Expected = get64(b, 8), get32(b, 16), get32(b, 20)
	p.CmdSN, p.ExpStatSN = get32(b, 24), get32(b, 28)
	copy(p.CDB[:], b[32:48])
	return nil
}

// SCSIResponse ends a command whose status did not ride in a Data-In (11.4).
// Its data segment is a 2-byte length and the sense data.
//
//	 0 |. .|   0x21    |1|. .|o|u|O|U|.| response      | status        |
//	16 | ITT                                                           |
//	24 | StatSN, ExpCmdSN, MaxCmdSN                                    |
//	36 | ExpDataSN                                                     |
//	40 | bidirectional read residual                                   |
//	44 | residual                                                      |
type SCSIResponse struct {
	Overflow, Underflow bool
	Response            byte // 0: completed at the target
	Status              byte // SCSI status
	DataLength          int
	ITT                 uint32
	Sequence
	ExpDataSN uint32 // number of Data-In and R2T PDUs sent
	Residual  uint32
}

// AppendBinary appends the header.
func (p *SCSIResponse) AppendBinary(b []byte) ([]byte, error) {
	h := start(OpSCSIResponse, false, true)
	h.flag(1, 0x04, p.Overflow)
	h.flag(1, 0x02, p.Underflow)
	h[2], h[3] = p.Response, p.Status
	h.put32(16, p.ITT)
	h.sequence(p.Sequence)
	h.put32(36, p.ExpDataSN)
	h.put32(44, p.Residual)
	return h.finish(b, p.DataLength)
}

// UnmarshalBinary reads the header.
func (p *SCSIResponse) UnmarshalBinary(b []byte) error {
	if err := open(b, OpSCSIResponse); err != nil {
		return err
	}
	p.Overflow, p.Underflow = b[1]&0x04 != 0, b[1]&0x02 != 0
	p.Response, p.Status = b[2], b[3]
	p.DataLength, p.ITT, p.Sequence = dataLength(b), get32(b, 16), sequence(b)
	p.ExpDataSN, p.Residual = get32(b, 36), get32(b, 44)
	return nil
}
