package pdu

// Logout reasons (11.14.1) and responses (11.15.1).
const (
	LogoutSession    = 0
	LogoutConnection = 1
	LogoutRecovery   = 2

	LogoutDone          = 0
	LogoutNoConnection  = 1
	LogoutNoRecovery    = 2
	LogoutCleanupFailed = 3
)

// LogoutRequest closes a connection or a session in order (11.14).
//
//	 0 |.|I|   0x06    |1| reason      |                               |
//	16 | ITT                                                           |
//	20 | CID                           |                               |
//	24 | CmdSN                                                         |
//	28 | ExpStatSN                                                     |
type LogoutRequest struct {
	Immediate bool
	Reason    byte
	ITT       uint32
	CID       uint16
	CmdSN     uint32
	ExpStatSN uint32
}

// AppendBinary appends the header.
func (p *LogoutRequest) AppendBinary(b []byte) ([]byte, error) {
	h := start(OpLogoutRequest, p.Immediate, true)
	h[1] |= p.Reason & 0x7f
	h.put32(16, p.ITT)
	h.put16(20, p.CID)
	h.put32(24, p.CmdSN)
	h.put32(28, p.ExpStatSN)
	return h.finish(b, 0)
}

// UnmarshalBinary reads the header.
func (p *LogoutRequest) UnmarshalBinary(b []byte) error {
	if err := open(b, OpLogoutRequest); err != nil {
		return err
	}
	p.Immediate, p.Reason = b[0]&flagImmediate != 0, b[1]&0x7f
	p.ITT, p.CID = get32(b, 16), get16(b, 20)
	p.CmdSN, p.ExpStatSN = get32(b, 24), get32(b, 28)
	return nil
}

// LogoutResponse is the last PDU of a connection (11.15).
//
//	 0 |. .|   0x26    |1|             | response      |               |
//	16 | ITT                                                           |
//	24 | StatSN, ExpCmdSN, MaxCmdSN                                    |
//	40 | Time2Wait                     | Time2Retain                   |
type LogoutResponse struct {
	Response byte
	ITT      uint32
	Sequence
	Time2Wait, Time2Retain uint16 // seconds
}

// AppendBinary appends the header.
func (p *LogoutResponse) AppendBinary(b []byte) ([]byte, error) {
	h := start(OpLogoutResponse, false, true)
	h[2] = p.Response
	h.put32(16, p.ITT)
	h.sequence(p.Sequence)
	h.put16(40, p.Time2Wait)
	h.put16(42, p.Time2Retain)
	return h.finish(b, 0)
}

// UnmarshalBinary reads the header.
func (p *LogoutResponse) UnmarshalBinary(b []byte) error {
	if err := open(b, OpLogoutResponse); err != nil {
		return err
	}
	p.Response, p.ITT, p.Sequence = b[2], get32(b, 16), sequence(b)
	p.Time2Wait, p.Time2Retain = get16(b, 40), get16(b, 42)
	return nil
}
