package pdu

// TextRequest carries key=value text in full feature phase (11.10).
//
//	 0 |.|I|   0x04    |F|C|           |                               |
//	 8 | LUN                                                           |
//	16 | ITT                                                           |
//	20 | TTT of the response that this continues, or NoTag             |
//	24 | CmdSN                                                         |
//	28 | ExpStatSN                                                     |
type TextRequest struct {
	Immediate  bool
	Final      bool
	Continue   bool
	DataLength int
	LUN        uint64
	ITT, TTT   uint32
	CmdSN      uint32
	ExpStatSN  uint32
}

// AppendBinary appends the header.
func (p *TextRequest) AppendBinary(b []byte) ([]byte, error) {
	h := start(OpTextRequest, p.Immediate, p.Final)
	h.flag(1, flagContinue, p.Continue)
	h.put64(8, p.LUN)
	h.put32(16, p.ITT)
	h.put32(20, p.TTT)
	h.put32(24, p.CmdSN)
	h.put32(28, p.ExpStatSN)
	return h.finish(b, p.DataLength)
}

// UnmarshalBinary reads the header.
func (p *TextRequest) UnmarshalBinary(b []byte) error {
	if err := open(b, OpTextRequest); err != nil {
		return err
	}
	p.Immediate = b[0]&flagImmediate != 0
	p.Final, p.Continue = b[1]&flagFinal != 0, b[1]&flagContinue != 0
	p.DataLength, p.LUN = dataLength(b), get64(b, 8)
	p.ITT, p.TTT = get32(b, 16), get32(b, 20)
	p.CmdSN, p.ExpStatSN = get32(b, 24), get32(b, 28)
	return nil
}

// TextResponse answers a text request (11.11).
//
//	 0 |. .|   0x24    |F|C|           |                               |
//	 8 | LUN                                                           |
//	16 | ITT                                                           |
//	20 | TTT, NoTag when nothing follows                               |
//	24 | StatSN, ExpCmdSN, MaxCmdSN                                    |
type TextResponse struct {
	Final      bool
	Continue   bool
	DataLength int
	LUN        uint64
	ITT, TTT   uint32
	Sequence
}

// AppendBinary appends the header.
func (p *TextResponse) AppendBinary(b []byte) ([]byte, error) {
	h := start(OpTextResponse, false, p.Final)
	h.flag(1, flagContinue, p.Continue)
	h.put64(8, p.LUN)
	h.put32(16, p.ITT)
	h.put32(20, p.TTT)
	h.sequence(p.Sequence)
	return h.finish(b, p.DataLength)
}

// UnmarshalBinary reads the header.
func (p *TextResponse) UnmarshalBinary(b []byte) error {
	if err := open(b, OpTextResponse); err != nil {
		return err
	}
	p.Final, p.Continue = b[1]&flagFinal != 0, b[1]&flagContinue != 0
	p.DataLength, p.LUN = dataLength(b), get64(b, 8)
	p.ITT, p.TTT, p.Sequence = get32(b, 16), get32(b, 20), sequence(b)
	return nil
}
