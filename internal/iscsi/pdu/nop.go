package pdu

// NopOut is a ping (ITT set) or the answer to one (TTT set) (11.18).
//
//	 0 |.|I|   0x00    |1|                                             |
//	 8 | LUN                                                           |
//	16 | ITT, or NoTag                                                 |
//	20 | TTT, or NoTag                                                 |
//	24 | CmdSN                                                         |
//	28 | ExpStatSN                                                     |
type NopOut struct {
	Immediate  bool
	DataLength int
	LUN        uint64
	ITT, TTT   uint32
	CmdSN      uint32
	ExpStatSN  uint32
}

// AppendBinary appends the header.
func (p *NopOut) AppendBinary(b []byte) ([]byte, error) {
	h := start(OpNopOut, p.Immediate, true)
	h.put64(8, p.LUN)
	h.put32(16, p.ITT)
	h.put32(20, p.TTT)
	h.put32(24, p.CmdSN)
	h.put32(28, p.ExpStatSN)
	return h.finish(b, p.DataLength)
}

// UnmarshalBinary reads the header.
func (p *NopOut) UnmarshalBinary(b []byte) error {
	if err := open(b, OpNopOut); err != nil {
		return err
	}
	p.Immediate, p.DataLength = b[0]&flagImmediate != 0, dataLength(b)
	p.LUN, p.ITT, p.TTT = get64(b, 8), get32(b, 16), get32(b, 20)
	p.CmdSN, p.ExpStatSN = get32(b, 24), get32(b, 28)
	return nil
}

// NopIn answers a ping (ITT set) or is one (TTT set) (11.19).
//
//	 0 |. .|   0x20    |1|                                             |
//	 8 | LUN                                                           |
//	16 | ITT, or NoTag                                                 |
//	20 | TTT, or NoTag                                                 |
//	24 | StatSN, ExpCmdSN, MaxCmdSN                                    |
type NopIn struct {
	DataLength int
	LUN        uint64
	ITT, TTT   uint32
	Sequence
}

// AppendBinary appends the header.
func (p *NopIn) AppendBinary(b []byte) ([]byte, error) {
	h := start(OpNopIn, false, true)
	h.put64(8, p.LUN)
	h.put32(16, p.ITT)
	h.put32(20, p.TTT)
	h.sequence(p.Sequence)
	return h.finish(b, p.DataLength)
}

// UnmarshalBinary reads the header.
func (p *NopIn) UnmarshalBinary(b []byte) error {
	if err := open(b, OpNopIn); err != nil {
		return err
	}
	p.DataLength, p.LUN = dataLength(b), get64(b, 8)
	p.ITT, p.TTT, p.Sequence = get32(b, 16), get32(b, 20), sequence(b)
	return nil
}
