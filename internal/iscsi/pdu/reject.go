package pdu

// Reject reasons (11.17.1).
const (
	RejectDataDigest       = 0x02
	RejectSNACK            = 0x03
	RejectProtocolError    = 0x04
	RejectNotSupported     = 0x05
	RejectTooManyImmediate = 0x06
	RejectTaskInProgress   = 0x07
	RejectInvalidField     = 0x09
	RejectLongOperation    = 0x0a
)

// Reject refuses a PDU, whose header is its data segment (11.17).
//
//	 0 |. .|   0x3f    |1|             | reason        |               |
//	16 | NoTag                                                         |
//	24 | StatSN, ExpCmdSN, MaxCmdSN                                    |
//	36 | DataSN or R2TSN                                               |
type Reject struct {
	Reason     byte
	DataLength int
	Sequence
}

// AppendBinary appends the header.
func (p *Reject) AppendBinary(b []byte) ([]byte, error) {
	h := start(OpReject, false, true)
	h[2] = p.Reason
	h.put32(16, NoTag)
	h.sequence(p.Sequence)
	return h.finish(b, p.DataLength)
}

// UnmarshalBinary reads the header.
func (p *Reject) UnmarshalBinary(b []byte) error {
	if err := open(b, OpReject); err != nil {
		return err
	}
	p.Reason, p.DataLength, p.Sequence = b[2], dataLength(b), sequence(b)
	return nil
}
